"""`budgauge help`: the documentation, topic by topic."""

from __future__ import annotations

from importlib.resources import files

import click


@click.command()
@click.argument("topic", required=False)
@click.pass_context
def help_command(ctx: click.Context, topic: str | None) -> None:
    """Show the documentation of a topic or a command; without one, list the topics.

    On a terminal a topic opens in your pager ($PAGER).
    """
    pages = _pages()
    if topic is None:
        click.echo("\n".join(_contents(pages)))
    elif topic in pages:
        click.echo_via_pager(pages[topic])
    else:
        click.echo(_command_help(ctx.find_root(), topic, list(pages)))


def _pages() -> dict[str, str]:
    """Return topic → Markdown. The first line of a page is `# topic: title`."""
    found = [page for page in (files("budgauge") / "docs").iterdir() if page.name.endswith(".md")]
    return {page.name.removesuffix(".md"): page.read_text("utf-8") for page in sorted(found, key=lambda p: p.name)}


def _contents(pages: dict[str, str]) -> list[str]:
    """Return a line for each topic: its name and its title."""
    width = max(map(len, pages))
    titles = {name: page.partition("\n")[0].partition(": ")[2] for name, page in pages.items()}
    return [f"{name:{width}}  {title}" for name, title in titles.items()]


def _command_help(root: click.Context, name: str, topics: list[str]) -> str:
    """Return the help of a command, or raise a usage error that names the nearest topic or command."""
    from difflib import get_close_matches

    group = root.command
    assert isinstance(group, click.Group)
    if command := group.get_command(root, name):
        return command.get_help(click.Context(command, root, info_name=name))
    near = get_close_matches(name.lower(), [*topics, *group.list_commands(root)], 1)
    advice = f"did you mean {near[0]}?" if near else f"topics are {', '.join(topics)}"
    raise click.UsageError(f"there is no topic or command {name!r}; {advice}")
