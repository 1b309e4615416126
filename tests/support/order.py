"""Which test files are begun first, so that no processor is idle and none of them is what the end waits for."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parents[1]

# Ten seconds or more by the clock, as `pytest --durations=0` shows them, the longest ones first. Those that wait for
# brokers, restarts and deadlines stand between those that compute.
FIRST = (
    "e2e/test_three_jobs.py",
    "e2e/test_up.py",
    "e2e/test_second_company.py",
    "integration/test_identity_feeds.py",
    "attack/test_up_attacked.py",
    "contract/test_index_sql.py",
    "integration/test_tagger_crash.py",
    "e2e/test_demo.py",
    "e2e/test_bad_input.py",
    "docs/test_recipes.py",
    "integration/test_rights.py",
    "contract/test_migrate.py",
    "attack/test_every_route.py",
    "attack/test_crash_loop.py",
    "attack/test_rotation.py",
    "integration/test_localbroker.py",
    "integration/test_no_raw_values.py",
    "integration/test_discover.py",
    "contract/test_index_together.py",
    "attack/test_unpacking.py",
    "attack/test_counts_over_a_crash.py",
    "unit/console/test_raw_messages.py",
    "attack/test_company_folders.py",
    "attack/test_topics.py",
    "contract/test_index_forget.py",
    "contract/test_index.py",
    "contract/test_index_identifiers.py",
    "contract/test_index_faults.py",
    "integration/test_tagger_around.py",
    "integration/test_no_raw_values_carrier.py",
    "unit/rights/test_worker.py",
    "unit/console/test_cli_doctor.py",
    "integration/test_tagger.py",
    "integration/test_two_taggers.py",
)


def place(path: Path) -> int:
    """Where a file of tests comes, among those of one place as they were."""
    name = path.relative_to(TESTS).as_posix() if path.is_relative_to(TESTS) else ""
    return FIRST.index(name) if name in FIRST else len(FIRST)
