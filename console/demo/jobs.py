"""The systems of record of the demo: a SQLite file each, and the reference jobs that serve them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from schemas.catalogue import Catalogue
from schemas.company import Company
from schemas.keys import Keyring
from schemas.settings import Settings
from streams.kafka.connection import Connection
from streams.rights.protocol.rights_commands import TOPICS
from streams.rights.reference_job.changing import ChangingStore
from streams.rights.reference_job.job import ErasureJob
from streams.rights.reference_job.others import SERVED, OtherRightsJob
from streams.rights.reference_job.serving import Job


def stores_of(company: Company, home: Path, stack: ExitStack) -> Mapping[str, ChangingStore]:
    """A SQLite file for every system of record that erases on command."""
    names = (system.id for system in company.catalogue.systems.values() if system.erasure == "command")
    stores = {
        name: ChangingStore(home / "systems" / f"{name}.sqlite", company.every_record, company.kinds)
        for name in names
    }
    for store in stores.values():
        stack.callback(store.close)
    return stores


@contextmanager
def jobs_of(
    stores: Mapping[str, ChangingStore], connection: Connection, settings: Settings, catalogue: Catalogue
) -> Iterator[None]:
    """The reference jobs of every system, one for each right that it does on command, each in a thread."""
    keys = Keyring(settings.keys_folder).systems
    jobs: list[Job] = []
    for name, store in stores.items():
        keys.made(name)
        # All that the job of a system is given.
        jobs.append(ErasureJob(keys.job_path(name), connection, store))
        for kind in SERVED:
            if catalogue.systems[name].commanded(TOPICS[kind].removesuffix(".")):
                jobs.append(OtherRightsJob(keys.job_path(name), connection, store, kind))
    with ThreadPoolExecutor(len(jobs), thread_name_prefix="job") as threads:
        running_jobs = [threads.submit(job.run) for job in jobs]
        try:
            yield
        finally:
            for job in jobs:
                job.stop()
    for ended in running_jobs:
        ended.result()
