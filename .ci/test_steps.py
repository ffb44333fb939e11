"""The closing lines of every test runner that `make test` starts, as they were printed."""

import unittest

from steps import Counts, counted

PRINTED = [
    ("     Summary [   0.005s] 4 tests run: 3 passed (1 slow), 1 failed, 2 skipped\n", Counts(3, 1, 2)),
    ("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured\n\ntest result: ok. 2 passed; 0 failed; 0 ignored;",
     Counts(5, 0, 1)),
    ("ℹ tests 5\nℹ pass 4\nℹ fail 1\nℹ cancelled 0\nℹ skipped 0\nℹ todo 0\n", Counts(4, 1, 0)),
    ("=== 3 failed, 10 passed, 1 skipped in 0.12s ====\n", Counts(10, 3, 1)),
    ("10 passed in 0.12s\n", Counts(10, 0, 0)),
    ("guard-secrets: 12 passed, 0 failed\n", Counts(12, 0, 0)),
    ("\x1b[32m2 passed\x1b[0m\n", Counts(2, 0, 0)),
    # A test that announced its skip was counted as passed by its runner.
    ("    skipped: no ../shared\n     Summary [   0.005s] 2 tests run: 2 passed, 0 skipped\n", Counts(1, 0, 1)),
    ("nothing that a runner prints\n", Counts(0, 0, 0)),
]


class ClosingLines(unittest.TestCase):
    def test_every_runner_is_counted(self):
        for text, wanted in PRINTED:
            with self.subTest(text):
                self.assertEqual(counted(text), wanted)


if __name__ == "__main__":
    unittest.main()
