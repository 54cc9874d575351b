"""Whatever comes from outside, changed at random: it is taken or refused, and nothing else happens.

python -m tests.fuzzing --inputs 100000
python -m tests.fuzzing --only plan --seed 7
"""
