#!/usr/bin/env python3
"""Pictures of a report in headless Chromium: phone, laptop and print width, light and dark.

    scripts/report_pages.py REPORT.html OUT_DIR     all pictures, and the printed pages as a PDF
    scripts/report_pages.py REPORT.html --readme docs/report.png
                                                    page one, as the README shows it

The README's picture comes from the shipped family:

    parentage compare --protected models/family/teacher --suspect models/family/student-text \\
        --controls models/family/lineage.toml --out parentage-out
    scripts/report_pages.py parentage-out/report.html --readme docs/report.png

Needs playwright (pip) and a Chromium: $CHROMIUM, or one on the path, or playwright's own.
"""

import argparse
import os
import pathlib
import shutil
import sys

from playwright.sync_api import sync_playwright

WIDTHS = {"phone": 390, "laptop": 1280}


def browser_path():
    """A Chromium of the system, or nothing for playwright's own."""
    names = [os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    found = (shutil.which(name) for name in names if name)
    return next((path for path in found if path), None)


def start(playwright):
    return playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])


def open_page(browser, report, width, scheme, scale=1):
    page = browser.new_page(
        viewport={"width": width, "height": 900}, color_scheme=scheme, device_scale_factor=scale
    )
    page.goto(pathlib.Path(report).resolve().as_uri())
    return page


def picture(page, path):
    """The whole page, in slices that can be looked at."""
    height = page.evaluate("document.documentElement.scrollHeight")
    slice_height = 2400
    for number, top in enumerate(range(0, height, slice_height)):
        clip = {
            "x": 0,
            "y": top,
            "width": page.viewport_size["width"],
            "height": min(slice_height, height - top),
        }
        page.screenshot(path=f"{path}-{number}.png", clip=clip, full_page=True)


def everything(report, out):
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = start(playwright)
        for name, width in WIDTHS.items():
            for scheme in ["light", "dark"]:
                page = open_page(browser, report, width, scheme)
                picture(page, out / f"{name}-{scheme}")
                wider = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
                print(f"{name} {scheme}: {'wider than the window' if wider else 'fits'}")
        page = open_page(browser, report, 794, "light")
        page.pdf(path=out / "print.pdf", prefer_css_page_size=True)
        browser.close()
    print(f"pictures in {out}; look at the printed pages with: pdftoppm -r 60 -png {out}/print.pdf {out}/print")


def readme(report, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = start(playwright)
        page = open_page(browser, report, 960, "light")
        bottom = page.evaluate(
            "document.querySelector('#summary').getBoundingClientRect().bottom + window.scrollY"
        )
        clip = {"x": 0, "y": 0, "width": 960, "height": int(bottom) + 8}
        page.screenshot(path=target, clip=clip, full_page=True)
        browser.close()
    size = target.stat().st_size
    print(f"{target}: {size // 1024} KB")
    if size > 300 * 1024:
        sys.exit(f"{target} is larger than 300 KB")


def main():
    parser = argparse.ArgumentParser(description="Pictures of a report in headless Chromium.")
    parser.add_argument("report", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path, nargs="?")
    parser.add_argument("--readme", type=pathlib.Path, help="only page one, to this file")
    args = parser.parse_args()
    if args.readme:
        readme(args.report, args.readme)
    elif args.out:
        everything(args.report, args.out)
    else:
        parser.error("give OUT_DIR or --readme FILE")


if __name__ == "__main__":
    main()
