"""Records of processing as OpenLineage events: what the official client makes of its own schemas is what we write.

Its types are generated from the schemas (core 2-0-2, facets of their own versions): an event that is built of them out
of ours, and written by them, has to be ours again, with the addresses of the schemas that they put in.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from openlineage.client import event_v2, serde
from openlineage.client.generated import (
    base,
    column_lineage_dataset,
    job_type_job,
    nominal_time_run,
    schema_dataset,
    tags_dataset,
)
from openlineage.client.naming.dataset import Kafka

from schemas.company import Company, load_company
from streams.ropa.openlineage import PRODUCER, Event, events, lines
from tests.support.company import model
from tests.support.ropa import MINIMAL_COMPANY, NOW, all_declared, made

COMPANIES = [model(), load_company(MINIMAL_COMPANY)]
BROKER = "kafka.example:9092"


def facet(name: str, written: Event) -> Any:
    """One of theirs out of one of ours; a key that it does not know is refused."""
    said = {key: value for key, value in written.items() if not key.startswith("_")}
    match name:
        case "schema":
            return schema_dataset.SchemaDatasetFacet(
                fields=[schema_dataset.SchemaDatasetFacetFields(**item) for item in said.pop("fields")],
                **said,
            )
        case "tags":
            fields = [tags_dataset.TagsDatasetFacetFields(**item) for item in said.pop("tags")]
            return tags_dataset.TagsDatasetFacet(tags=fields, **said)
        case "columnLineage":
            return column_lineage_dataset.ColumnLineageDatasetFacet(
                fields={key: columns(**value) for key, value in said.pop("fields").items()}, **said
            )
        case "jobType":
            return job_type_job.JobTypeJobFacet(**said)
        case "nominalTime":
            return nominal_time_run.NominalTimeRunFacet(**said)
    raise AssertionError(name)


def columns(**said: Any) -> Any:
    inputs = []
    for item in said.pop("inputFields"):
        how = [column_lineage_dataset.Transformation(**part) for part in item["transformations"]]
        inputs.append(column_lineage_dataset.InputField(**{**item, "transformations": how}))
    return column_lineage_dataset.Fields(inputFields=inputs, **said)


def with_facets(kind: Any, written: Event) -> Any:
    facets = {name: facet(name, said) for name, said in written.get("facets", {}).items()}
    return kind(**{**written, "facets": facets})


def theirs(written: Event) -> Any:
    """The event of the official client that says the same."""
    said = {key: value for key, value in written.items() if key != "schemaURL"}
    if "dataset" in said:
        return event_v2.DatasetEvent(
            **{**said, "dataset": with_facets(event_v2.StaticDataset, said["dataset"])}
        )
    return event_v2.RunEvent(
        **{
            **said,
            "eventType": event_v2.RunState[said["eventType"]],
            "run": with_facets(event_v2.Run, said["run"]),
            "job": with_facets(event_v2.Job, said["job"]),
            "inputs": [with_facets(event_v2.InputDataset, item) for item in said["inputs"]],
            "outputs": [with_facets(event_v2.OutputDataset, item) for item in said["outputs"]],
        }
    )


def without_nothing(value: Any) -> Any:
    """Without what is empty: the client writes it, and it says nothing."""
    if isinstance(value, dict):
        return {key: without_nothing(item) for key, item in value.items() if item not in ({}, [], None)}
    return [without_nothing(item) for item in value] if isinstance(value, list) else value


def written(company: Company) -> list[Event]:
    return events(made(company, all_declared(company)), company, BROKER)


@pytest.mark.parametrize("company", COMPANIES, ids=["model", "minimal"])
def test_the_official_client_writes_the_same_events(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every property, facet and address of a schema is one of OpenLineage 2-0-2."""
    monkeypatch.setattr(base, "PRODUCER", PRODUCER)
    found = written(company)
    assert len(found) == 4 * len({(tags.topic, tags.record, tags.system) for tags in all_declared(company)})
    for event in found:
        assert without_nothing(serde.Serde.to_dict(theirs(event))) == without_nothing(event)


def test_what_openlineage_does_not_know_is_refused() -> None:
    """The comparison is not blind."""
    event = next(item for item in written(model()) if "run" in item)
    for broken in ({**event, "shoe": 9}, {**event, "run": {**event["run"], "runId": "not one"}}):
        with pytest.raises((TypeError, ValueError)):
            theirs(broken)


def test_topics_are_named_as_openlineage_names_those_of_kafka() -> None:
    naming = Kafka("kafka.example", "9092", "billing.invoices")
    names = {
        (item["dataset"]["namespace"], item["dataset"]["name"])
        for item in written(model())
        if "dataset" in item
    }
    assert (naming.get_namespace(), naming.get_name()) in names
    assert ("innsyn://modellnett", "billing.Invoice") in names


def test_a_flow_leads_each_personal_field_from_the_topic_into_the_system() -> None:
    """In both events of its run, which are one run."""
    runs = [
        item
        for item in written(model())
        if item.get("job", {}).get("name") == "billing.invoices.Invoice.billing"
    ]
    assert [item["eventType"] for item in runs] == ["START", "COMPLETE"]
    assert len({item["run"]["runId"] for item in runs}) == 1
    (rest,) = runs[1]["outputs"]
    lines_product = rest["facets"]["columnLineage"]["fields"]["lines.product"]["inputFields"]
    assert [(item["name"], item["field"]) for item in lines_product] == [
        ("billing.invoices", "lines.product")
    ]


def test_data_sets_are_tagged_with_what_they_hold_and_for_what() -> None:
    invoices = next(
        item for item in written(model()) if item.get("dataset", {}).get("name") == "billing.invoices"
    )
    tags = invoices["dataset"]["facets"]["tags"]["tags"]
    said = {(item["key"], item["value"], item.get("field")) for item in tags}
    assert {("category", "C-07", None), ("purpose", "P-BILLING", None), ("category", "C-06", "kid")} <= said
    assert {("legal_basis", "b", None), ("subject", "customer", None)} <= said


def test_what_nobody_declares_any_more_has_no_fields_and_is_told() -> None:
    """A line for each event; each is JSON by itself."""
    company = model()
    tags = next(item for item in all_declared(company) if item.topic == "billing.invoices")
    gone = replace(tags, topic="fax.pages", record="FaxPage")
    record = made(company, [gone])
    assert [item.declared for item in record.activities[0].sources] == [False]
    found = [json.loads(line) for line in lines(record, company, BROKER).splitlines()]
    assert len(found) == 4
    assert all("schema" not in item["dataset"]["facets"] for item in found if "dataset" in item)
    assert all(item["eventTime"] <= NOW.isoformat().replace("+00:00", "Z") for item in found)
