# SPDX-License-Identifier: Apache-2.0
"""Adds up the JUnit reports of all parts: summary.py FOLDER PARTS SKIPPED-PARTS [BROKEN-PART...]

A part without a report counts as one test: format checks pass or fail, and a part whose build
failed has run nothing, which is a failure.
"""
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def counts(report):
    """passed, failed, skipped; looked up case by case, because writers disagree on the totals."""
    passed = failed = skipped = 0
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None or case.get("status") in ("disabled", "notrun"):
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main(folder, number_of_parts, skipped_parts, broken):
    total = [0, 0, 0]
    reports = sorted(pathlib.Path(folder).glob("*.xml"))
    for report in reports:
        found = counts(report)
        if report.stem in broken and not found[1]:
            found = (found[0], 1, found[2])
        print(f"{report.stem:10} {found[0]:5} passed {found[1]:4} failed {found[2]:4} skipped")
        total = [a + b for a, b in zip(total, found)]
    without = number_of_parts - len(reports)
    failed = [part for part in broken if part not in {report.stem for report in reports}]
    total[0] += without - len(failed) - skipped_parts
    total[1] += len(failed)
    total[2] += skipped_parts
    for part in failed:
        print(f"{part:10} failed before it could count")
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] or broken or not (total[0] or skipped_parts) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]))
