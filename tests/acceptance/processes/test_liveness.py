"""A liveness file that cannot be written is said once, and the worker works on: only the probe is at a loss."""

from pathlib import Path

from payment_worker.devstack.programs import worker
from tests.harness.producer import Producer, a_charge
from tests.harness.rows import Rows


def test_a_liveness_file_that_cannot_be_written_is_said_and_stops_nothing(
    environment: dict[str, str], producer: Producer, rows: Rows, tmp_path: Path
) -> None:
    settings = {
        **environment,
        "PAYMENT_WORKER_LIVENESS_FILE": str(tmp_path / "no" / "such" / "directory" / "alive"),
    }
    charge = a_charge()
    with worker(settings, directory=tmp_path, pool="threads", name="blind").start() as started:
        started.wait_for_output("liveness file .*alive cannot be written: No such file or directory")
        producer.charge(**charge)
        rows.wait_for(
            "SELECT 1 FROM payment WHERE payment_id = %s AND status = 'SUCCEEDED'", charge["payment_id"]
        )
        assert started.output().count("cannot be written") == 1
