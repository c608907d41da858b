"""Make the weights of the default encoder again: `make lite` runs this on the data sets of `make datasets`.

Takes about seven minutes on two idle cores, most of it to run the trunk over every picture and three changed
versions of it; these statistics are kept in ``--cache`` for another run. The same data sets, packages and
processor give the same bytes.
"""

import argparse
import json
from pathlib import Path

from i2v_search.choices import Device
from i2v_search.cli.show import progress
from i2v_search.encoders.lite_head import model_folder
from i2v_search.training.datasets.dataset import read_dataset
from scripts.lite.lite import train_lite


def main() -> None:
    """Parse the command line, train, and print the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sets", nargs="+", type=Path, metavar="SET", help="folders of data sets")
    parser.add_argument(
        "--extra", type=Path, action="append", default=[], help="data set for tags alone; repeatable"
    )
    parser.add_argument("--out", type=Path, default=model_folder(), help="where weights and tags go")
    parser.add_argument(
        "--cache", type=Path, default=Path("data/statistics"), help="keeps the trunk's output"
    )
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"])
    arguments = parser.parse_args()
    datasets = [read_dataset(path) for path in arguments.sets]
    with progress() as report:
        document = train_lite(
            datasets,
            arguments.out,
            extra=[read_dataset(path) for path in arguments.extra],
            cache=arguments.cache,
            device=Device(name=arguments.device),
            report=report,
        )
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
