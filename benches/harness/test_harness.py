"""The harness's own judgement: `python3 -m unittest discover -s benches/harness`."""

import unittest
from pathlib import Path

import figures
import records
import train
from gateways import Bare


def record(stream=False, **changed):
    verdicts = {name: "proceed" for name in records.CHAIN} | changed
    plugins = [{"name": name, "hook": "h", "verdict": verdict, "us": 2} for name, verdict in verdicts.items()]
    return {"id": "r", "stream": stream, "plugins": plugins}


class Records(unittest.TestCase):
    def test_six_verdicts_on_every_request_are_good(self):
        self.assertEqual(records.problems([record(), record(sticky="order")], 2), [])
        self.assertEqual(records.plugin_times([record(), record(stream=True)]), [12])

    def test_a_plugin_that_was_skipped_faulted_or_not_asked_is_named(self):
        for verdict in ("skipped", "fault", "none", "a new word"):
            found = records.problems([record(), record(**{"secrets-out": verdict})], 2)
            self.assertEqual(len(found), 1)
            self.assertIn("secrets-out", found[0])

    def test_a_fault_beside_a_verdict_is_not_overlooked(self):
        both = record()
        both["plugins"].append({"name": "footer", "hook": "h2", "verdict": "fault", "us": 1})
        self.assertEqual(records.undecided(both), ["footer"])

    def test_a_lost_or_doubled_record_is_found(self):
        self.assertEqual(records.problems([record()], 2), ["2 requests left 1 records"])
        self.assertEqual(records.problems([record()] * 3, 2), ["2 requests left 3 records"])


class Training(unittest.TestCase):
    def test_each_gateway_leaves_notes_of_its_own(self):
        place = type("Place", (), {"binary": lambda self, name: Path("programs") / name})()
        command = train.noting(Bare(place), Path("notes")).configure("listen", "provider", "run")
        self.assertEqual(command[:2], ["env", "LLVM_PROFILE_FILE=notes/bare-%p.profraw"])
        self.assertEqual(command[2:], [Path("programs/bare"), "listen", "provider"])


class Figures(unittest.TestCase):
    def report(self, cpu):
        fields = {"p50_us": 10, "p99_us": 20, "max_us": 30, "requests_per_s": 5, "cpu_share": 1}
        return {"chat": {"cpu_us_per_request": cpu, **fields}}

    def test_ratios_are_made_within_a_round(self):
        rounds = [{"bare": self.report(40), "penstock": self.report(30)}, {"bare": self.report(80), "penstock": self.report(60)}]
        lines = figures.text(figures.summary(rounds)).splitlines()
        self.assertEqual(len(lines), 2)
        self.assertTrue(lines[1].startswith("penstock/chat cpu_us=45 ratio_to_bare=0.75 p50_us=10 p99_us=20"), lines[1])

    def test_without_bare_there_is_no_ratio(self):
        self.assertNotIn("ratio", figures.text(figures.summary([{"penstock": self.report(30)}])))


if __name__ == "__main__":
    unittest.main()
