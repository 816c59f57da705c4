#!/usr/bin/env python3
"""Compares models of a family as weights and as endpoints, and says where the findings differ.

    cargo build --release
    scripts/hosted_table.py models/family teacher student-text sib1-text [--out DIR] [--binary PATH]
        [--grant text|top|scored] [FLAG...]

The protected model and each suspect are served on loopback by `parentage serve`; the controls stay weights.
Each suspect is compared as weights/weights, hosted/hosted, hosted/weights and weights/hosted (protected
first). Prints a Markdown table; exit code 1 when a finding differs from that of weights/weights, or an
score of `preference` or `next` does by more than 0.005 (an endpoint names fewer top tokens, so the pool
of strings is smaller; the samples that the other measures read are drawn anew). With --grant endpoints tell less
than weights do, and figures differ for that reason. Other flags go to `parentage compare`.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tomllib


def serve(binary, path, grant):
    """A server of a model and its address."""
    process = subprocess.Popen([binary, "serve", path, "--port", "0", "--grant", grant], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    line = process.stdout.readline()
    if "http" not in line:
        sys.exit(f"{path} could not be served: {line}")
    return process, line[line.index("http"):].strip()


def lineage(models, family, names):
    """The family's lineage file with some models under other names."""
    entries = ["schema = 1", 'name = "served"']
    for model in models:
        entries.append("[[model]]")
        for key in ("id", "kind", "base", "group"):
            if key in model:
                entries.append(f"{key} = {json.dumps(model[key])}")
        for key in ("parents", "data"):
            entries.append(f"{key} = {json.dumps(model.get(key, []))}")
        where = names.get(model["id"], str((family / model["path"]).resolve()))
        entries.append(f"model = {json.dumps(where)}")
    return "\n".join(entries) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("family", type=pathlib.Path)
    parser.add_argument("protected")
    parser.add_argument("suspects", nargs="+")
    parser.add_argument("--out", default="target/hosted-table", type=pathlib.Path)
    parser.add_argument("--binary", default="target/release/parentage")
    parser.add_argument("--grant", default="scored", choices=["text", "top", "scored"])
    args, more = parser.parse_known_args()
    models = tomllib.loads((args.family / "lineage.toml").read_text())["model"]
    paths = {m["id"]: str((args.family / m["path"]).resolve()) for m in models}
    args.out.mkdir(parents=True, exist_ok=True)
    env, servers = dict(os.environ), []
    try:
        for model in [args.protected, *args.suspects]:
            process, address = serve(args.binary, paths[model], args.grant)
            servers.append(process)
            variable = model.upper().replace("-", "_") + "_BASE_URL"
            env[variable] = address + "/v1"
        # A model is served under the name of its directory or file.
        hosted = {m: f"openai-api/{m}/{pathlib.Path(paths[m]).name}" for m in [args.protected, *args.suspects]}
        print("| suspect | protected | suspect as | finding | pooled t | measures | largest difference |")
        print("|---|---|---|---|---:|---:|---:|")
        wrong = 0
        for suspect in args.suspects:
            wanted = None
            for protected_is, suspect_is in [("weights", "weights"), ("endpoint", "endpoint"),
                                             ("endpoint", "weights"), ("weights", "endpoint")]:
                names = {}
                if protected_is == "endpoint":
                    names[args.protected] = hosted[args.protected]
                if suspect_is == "endpoint":
                    names[suspect] = hosted[suspect]
                file = args.out / "lineage.toml"
                file.write_text(lineage(models, args.family, names))
                run = subprocess.run(
                    [args.binary, "compare", "--json", "--quiet", "--out", args.out / "work", "--controls", file,
                     "--protected", names.get(args.protected, paths[args.protected]),
                     "--suspect", names.get(suspect, paths[suspect]), *more],
                    stdout=subprocess.PIPE, env=env, check=True)
                report = json.loads(run.stdout)
                values = {m["name"]: m["score"] for m in report["measures"] if m["score"] is not None}
                wanted = wanted or (report["finding"], values)
                exact = [k for k in ("preference", "next") if k in wanted[1]]
                moved = max(abs(values.get(k, 0.0) - wanted[1][k]) for k in exact)
                # Weights are not seen through an endpoint, so what they alone show becomes distilled.
                same = report["finding"] == wanted[0] or (
                    wanted[0] == "weight_derivative" and report["finding"] == "distilled")
                # An endpoint that tells less is no nearer than its samples.
                wrong += not same or (args.grant == "scored" and moved > 0.005)
                print(f"| {suspect} | {protected_is} | {suspect_is} | {report['finding']}{'' if same else ' **differs**'} "
                      f"| {report['pooled']['t']:.2f} | {len(values)} | {moved:.1e} |", flush=True)
    finally:
        for process in servers:
            process.terminate()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
