"""What the demo and the benchmark print with: a console, progress bars, sizes."""

import rich.console
from rich.progress import BarColumn, Progress, ProgressColumn, TimeRemainingColumn


class Console(rich.console.Console):
    """A console that prints text as it is: no markup, emoji or highlighting."""

    def __init__(self, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError again, where rich would exit with code 1.

        main() turns it into the right exit code.
        """
        raise


def show_progress(*columns: ProgressColumn) -> Progress:
    """Return a progress bar on stderr, with more columns before the remaining time.

    It disappears when it ends, so that an error message is the only line left.
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
