// A function of the least contrast: what is wrong with the page, in words. See audit.py.
(least) => {
  const wrong = [];
  const named = (item) =>
    item.tagName.toLowerCase() + (item.id ? "#" + item.id : "") +
    (item.className && item.className.baseVal === undefined ? "." + item.className : "");
  const colour = (text) => {
    const found = text.match(/rgba?\(([^)]+)\)/);
    if (!found) return null;
    const [r, g, b, a = 1] = found[1].split(/[ ,/]+/).filter(Boolean).map(Number);
    return [r, g, b, a];
  };
  const over = (top, under) => top.slice(0, 3).map((part, i) => part * top[3] + under[i] * (1 - top[3]));
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((part) => {
      const x = part / 255;
      return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const paint = (item) => {
    const style = getComputedStyle(item);
    if (item instanceof SVGElement && item.tagName !== "svg") {
      const fill = colour(style.fill);
      return fill && [...fill.slice(0, 3), fill[3] * Number(style.fillOpacity)];
    }
    return colour(style.backgroundColor);
  };
  const beneath = (x, y, own) => {
    const stack = document.elementsFromPoint(x, y);
    const painted = stack
      .filter((item) => item !== own && item.tagName !== "text")
      .map(paint).filter((one) => one && one[3] > 0);
    const scheme = matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
    return painted.reverse().reduce((under, top) => over(top, under), scheme);
  };
  const shown = (item) => item.checkVisibility({ visibilityProperty: true }) && item.getBoundingClientRect().width > 0;

  // Text, where it can be looked at.
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  while (walker.nextNode()) {
    const own = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !shown(own) || own.closest("title, script, option, [hidden]")) continue;
    own.scrollIntoView({ block: "center", inline: "center" });
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    const box = range.getClientRects()[0];
    if (!box || box.width === 0) continue;
    const style = getComputedStyle(own);
    const ink = colour(own instanceof SVGElement ? style.fill : style.color);
    const ground = beneath(box.left + box.width / 2, box.top + box.height / 2,
                           own instanceof SVGElement ? own : null);
    const ratio = contrast(over(ink, ground), ground);
    texts += 1;
    if (ratio < least) {
      wrong.push(`contrast ${ratio.toFixed(2)} of '${walker.currentNode.data.trim().slice(0, 30)}' in ${named(own)}`);
    }
  }
  if (texts < 10) wrong.push(`only ${texts} pieces of text`);

  // Names.
  for (const item of document.querySelectorAll("input, select, textarea, button, a[href], [tabindex]")) {
    const labels = [...(item.labels || [])].map((label) => label.textContent).join(" ");
    const name = item.getAttribute("aria-label") || labels || item.textContent;
    const own = item.tagName === "SELECT" || item.tagName === "TEXTAREA" ? item.getAttribute("aria-label") || labels : name;
    if (!own.trim()) wrong.push(`${named(item)} has no name`);
  }
  for (const item of document.querySelectorAll('svg[role="img"]')) {
    if (!item.querySelector(":scope > title").textContent.trim()) wrong.push("a drawing has no name");
  }
  const ids = [...document.querySelectorAll("[id]")].map((item) => item.id);
  for (const id of ids) if (ids.filter((other) => other === id).length > 1) wrong.push(`id ${id} twice`);

  // The page as a whole.
  if (!document.documentElement.lang) wrong.push("no language");
  if (!document.title) wrong.push("no title");
  if (!document.querySelector('meta[name="viewport"]')) wrong.push("no viewport");
  const levels = [...document.querySelectorAll("h1, h2, h3")].filter(shown).map((item) => Number(item.tagName[1]));
  if (levels[0] !== 1 || levels.filter((level) => level === 1).length !== 1) wrong.push(`headings ${levels}`);
  if (document.scrollingElement.scrollWidth > innerWidth) {
    wrong.push(`${document.scrollingElement.scrollWidth} px wide in a window of ${innerWidth}`);
  }
  for (const item of document.querySelectorAll("input, select, button, a.button")) {
    const box = item.getBoundingClientRect();
    if (shown(item) && box.height < 24) wrong.push(`${named(item)} is ${box.height} px high`);
  }
  return wrong;
}
