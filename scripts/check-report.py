#!/usr/bin/env python3
"""Checks a report's page in headless Chromium.

    scripts/check-report.py DIR      a directory with report.html and report.json (compare's --out)

At phone and laptop width, in light and dark, and as printed: no message on the console, no request but
for the file itself, nothing wider than the window, all plots drawn, the finding to be read, headings
in order, landmarks and contrast by axe-core. With the schema (parentage schema > schema.json in the
same directory) report.json is validated as well.

Needs playwright and axe-playwright-python (pip; the second brings axe-core) and a Chromium; jsonschema
for the schema. Without a browser, or without one of these, the check is skipped and says so; exit code
0 then, 1 when something is wrong.
"""

import json
import pathlib
import sys

WIDTHS = {"phone": 390, "laptop": 1280}


def skip(why):
    print(f"skipped: {why}")
    sys.exit(0)


try:
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import Error, sync_playwright
    from report_pages import open_page, start
except ImportError as error:
    skip(f"{error} (pip install playwright axe-playwright-python)")


def headings_in_order(page):
    levels = page.eval_on_selector_all(
        "h1,h2,h3,h4,h5,h6", "all => all.map(h => Number(h.tagName[1]))"
    )
    jumps = [pair for pair in zip(levels, levels[1:]) if pair[1] > pair[0] + 1]
    return levels[:1] == [1] and levels.count(1) == 1 and not jumps


def plots(page, facts):
    """What is expected but not drawn with a size."""
    expected = ["plot-pooled"] if facts["pooled"] else []
    expected += [f"plot-{m['name']}" for m in facts["measures"] if m["left_out"] is None]
    expected += ["plot-families"] if facts["families"] else []
    selectors = {plot: f"svg[aria-labelledby^='{plot}-title']" for plot in expected}
    if facts["tree"]:
        selectors["tree"] = "svg.parentage-tree"

    def drawn(selector):
        found = page.locator(selector)
        box = found.bounding_box() if found.count() == 1 else None
        return box and box["width"] >= 200 and box["height"] >= 40

    return [plot for plot, selector in selectors.items() if not drawn(selector)]


def look(browser, report, facts, name, scheme):
    """What is wrong with the page at one width in one colour scheme."""
    wrong = []
    page = browser.new_page(viewport={"width": WIDTHS[name], "height": 900}, color_scheme=scheme)
    page.on("console", lambda message: wrong.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(report.resolve().as_uri())
    # Whatever a page asks for late, it asks for within this.
    page.wait_for_timeout(500)
    wrong += [f"asks for {url}" for url in requests[1:]]
    if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
        wrong.append("is wider than the window")
    if page.locator(".rung").inner_text() != facts["finding"].replace("_", " "):
        wrong.append("does not show the finding")
    if page.locator("[aria-current]").count() != 1:
        wrong.append("does not mark one rung")
    if not headings_in_order(page):
        wrong.append("has headings out of order")
    wrong += [f"does not draw {plot}" for plot in plots(page, facts)]
    # The page's policy keeps scripts out; the checker comes in past it, into a page of its own.
    page.close()
    context = browser.new_context(
        viewport={"width": WIDTHS[name], "height": 900}, color_scheme=scheme, bypass_csp=True
    )
    page = context.new_page()
    page.goto(report.resolve().as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    for violation in Axe().run(page).response["violations"]:
        for node in violation["nodes"][:3]:
            wrong.append(f"axe {violation['id']}: {node['html'][:120]}")
    context.close()
    return wrong


def schema_faults(directory):
    schema = directory / "schema.json"
    if not schema.exists():
        print("schema.json is not there: report.json is not validated")
        return []
    try:
        import jsonschema
    except ImportError:
        print("jsonschema is not installed: report.json is not validated")
        return []
    validator = jsonschema.Draft202012Validator(json.loads(schema.read_text()))
    facts = json.loads((directory / "report.json").read_text())
    return [f"{e.json_path}: {e.message[:120]}" for e in validator.iter_errors(facts)]


def main():
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} DIR")
    directory = pathlib.Path(sys.argv[1])
    report = directory / "report.html"
    facts = json.loads((directory / "report.json").read_text())
    wrong = [f"schema: {fault}" for fault in schema_faults(directory)]
    with sync_playwright() as playwright:
        try:
            browser = start(playwright)
        except Error as error:
            skip(f"no browser: {str(error).splitlines()[0]}")
        for name in WIDTHS:
            for scheme in ["light", "dark"]:
                found = look(browser, report, facts, name, scheme)
                print(f"{name}, {scheme}: {'; '.join(found) if found else 'fine'}")
                wrong += found
        page = open_page(browser, report, 794, "light")
        pages = page.pdf(prefer_css_page_size=True).count(b"/Type /Page\n")
        print(f"printed: {pages} pages")
        browser.close()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
