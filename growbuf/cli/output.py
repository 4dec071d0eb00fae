"""Output of the demo and the benchmark: a console, progress bars, sizes as text."""

import rich.console
from rich.progress import BarColumn, Progress, ProgressColumn, TimeRemainingColumn


class Console(rich.console.Console):
    """A console that prints text without interpreting markup, emoji or highlighting."""

    def __init__(self, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """Raise the BrokenPipeError again; rich itself would exit with code 1.

        main() catches it and returns the right exit code.
        """
        raise


def show_progress(*columns: ProgressColumn) -> Progress:
    """Return a progress bar on stderr, with `columns` before the remaining time.

    It disappears when it ends, so that an error message is the only line that remains.
    """
    console = Console(stderr=True)
    return Progress(
        "{task.description}",
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def format_nbytes(nbytes: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if nbytes < 1024:
            return f"{nbytes:.4g} {unit}"
        nbytes /= 1024
    return f"{nbytes:.4g} GiB"
