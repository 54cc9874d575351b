"""From files to inputs: pictures, arrays and videos. The only home of Pillow and PyAV."""
