"""The figures as a table in Markdown and as a chart in SVG."""

from dataclasses import dataclass
from xml.sax.saxutils import escape


@dataclass
class Part:
    """What was measured together: results by server, one of which the others are compared with."""

    title: str
    results: dict
    base: str | None = None

    def table(self):
        columns = ["", "requests/s", "server CPU per request", *([f"× {self.base}"] if self.base else []), "rounds apart",
                   "p50", "p99", "p99.9", "commit p99.9", "late", "errors"]
        lines = [f"### {self.title}", "", "| " + " | ".join(columns) + " |", "| --- |" + " ---: |" * (len(columns) - 1)]
        for name, it in self.results.items():
            ratio = [f"{it.cpu_us / self.results[self.base].cpu_us:.2f}"] if self.base else []
            times = ["–" if value != value else f"{value / 1000:.2f} ms" for value in (it.p50, it.p99, it.p999, it.commit_p999)]
            cells = [name, f"{it.rate:,.0f}", f"{it.cpu_us:.1f} µs", *ratio, f"{it.spread:.0%}", *times, str(it.late), str(it.errors)]
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n"


BAR, GAP, LABEL, WIDTH = 22, 8, 200, 420


def chart(parts, note):
    """Bars of CPU per request, a group for each part; each group has its own scale, written beside its bars."""
    body, y = [], 6
    for part in parts:
        body.append(f'<text x="0" y="{y + 14}" class="title">{escape(part.title)}: server CPU per request</text>')
        y += 26
        longest = max(it.cpu_us for it in part.results.values())
        for name, it in part.results.items():
            width = max(2, it.cpu_us / longest * WIDTH)
            kind = "ours" if name.startswith("reaid") or "reaid" not in part.results else "other"
            body.append(f'<text x="{LABEL - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>')
            body.append(f'<rect x="{LABEL}" y="{y}" width="{width:.0f}" height="{BAR}" rx="3" class="{kind}"/>')
            body.append(f'<text x="{LABEL + width + 8:.0f}" y="{y + 15}">{it.cpu_us:.1f} µs</text>')
            y += BAR + GAP
        y += 14
    body.append(f'<text x="0" y="{y + 6}" class="note">{escape(note)}</text>')
    style = ("text{font:13px system-ui,sans-serif;fill:#334}.title{font-weight:600}.note{font-size:10px}"
             ".ours{fill:#0b7a75}.other{fill:#b8c4cc}"
             "@media(prefers-color-scheme:dark){text{fill:#dde}.other{fill:#566570}}")
    size = f'width="{LABEL + WIDTH + 90}" height="{y + 20}" viewBox="0 0 {LABEL + WIDTH + 90} {y + 20}"'
    return (f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="Server CPU per request">'
            f"<style>{style}</style>{''.join(body)}</svg>\n")
