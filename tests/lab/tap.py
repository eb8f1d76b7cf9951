# SPDX-License-Identifier: GPL-3.0-or-later
"""unittest, but printing TAP as each test ends: `tap.main()` is the last line of a test file."""

import sys
import unittest


class Result(unittest.TestResult):
    _bad_test = None  # of which a subtest has failed

    def _say(self, verdict, test, note=""):
        print(f"{verdict} {self.testsRun} - {test.id().removeprefix('__main__.')}{note}", flush=True)

    def addSuccess(self, test):
        self._say("ok", test)

    def addSkip(self, test, reason):
        self._say("ok", test, f" # SKIP {reason}")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            what = self.failures if issubclass(err[0], test.failureException) else self.errors
            print("# " + f"{subtest}\n{what[-1][1].rstrip()}".replace("\n", "\n# "))
            self._bad_test = test

    def stopTest(self, test):
        if self._bad_test is test:  # neither a success nor, to unittest, a failure
            self._say("not ok", test)
            self._bad_test = None
        super().stopTest(test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        print("# " + self.failures[-1][1].rstrip().replace("\n", "\n# "))
        self._say("not ok", test)

    def addError(self, test, err):
        super().addError(test, err)
        print("# " + self.errors[-1][1].rstrip().replace("\n", "\n# "))
        self._say("not ok", test)


def main():
    """Runs the file's tests, or the classes and tests named on the command line."""
    loader, module = unittest.defaultTestLoader, sys.modules["__main__"]
    names = sys.argv[1:]
    suite = loader.loadTestsFromNames(names, module) if names else loader.loadTestsFromModule(module)
    result = Result()
    suite.run(result)
    print(f"1..{result.testsRun}")
    sys.exit(0 if result.wasSuccessful() else 1)
