#!/usr/bin/env python3
"""Compares a real server that nobody here wrote with local weights: llama.cpp through xllamacpp.

    pip install xllamacpp
    scripts/fetch-real-models.sh DIR
    scripts/real_endpoint.py DIR [--binary target/release/parentage] [--out OUT]

Serves SmolLM2-135M on loopback, prints what `parentage probe` finds, and holds the findings: the server
against the local GGUF of the same model is `same_model`; against Gemma 3 270M it is neither the same, derived
nor distilled. Exit code 1 otherwise; 77 when a model or xllamacpp is missing. The five controls are models of
the shipped family: enough to be judged at all, too unlike to say more than that.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

CONTROLS = ["kjv-1", "foldoc-1", "wordnet-1", "gcide-b", "seed-5"]
ACCUSING = {"same_model", "weight_derivative", "distilled", "family"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("--binary", default="target/release/parentage")
    parser.add_argument("--out", default="target/real-endpoint", type=pathlib.Path)
    args = parser.parse_args()
    smol = args.models / "smollm2-135m-q4_1.gguf"
    gemma = args.models / "gemma-3-270m-q4_k_m.gguf"
    try:
        import xllamacpp
    except ImportError:
        print("xllamacpp is not installed: nothing was compared")
        sys.exit(77)
    if not smol.exists() or not gemma.exists():
        print(f"{args.models} lacks the models: nothing was compared")
        sys.exit(77)
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(smol)
    parameters.n_ctx = 4096
    parameters.n_parallel = 2
    parameters.cpuparams.n_threads = os.cpu_count()
    parameters.port = 0
    server = xllamacpp.Server(parameters)
    env = {**os.environ, "LLAMACPP_BASE_URL": server.listening_address}
    name = "llamacpp/" + smol.name
    subprocess.run([args.binary, "probe", name], env=env, check=True)
    wrong = 0
    for suspect, allowed in [(smol, lambda f: f == "same_model"), (gemma, lambda f: f not in ACCUSING)]:
        command = [args.binary, "compare", "--protected", name, "--suspect", suspect, "--tier", "quick",
                   "--samples", "1", "--raw", "--concurrency", "2", "--json", "--out", args.out]
        for control in CONTROLS:
            command += ["--control", f"models/family/{control}"]
        run = subprocess.run(command, env=env, stdout=subprocess.PIPE)
        if run.returncode not in (0, 5):
            sys.exit(run.returncode)
        report = json.loads(run.stdout)
        right = allowed(report["finding"])
        wrong += not right
        print(f"{name} against {suspect.name}: {report['finding']}{'' if right else ' (WRONG)'}; "
              f"divergence {report['equality']['divergence']:.4f} nats over {report['equality']['probes']} contexts")
        for reason in report["reasons"]:
            print(f"  - {reason}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
