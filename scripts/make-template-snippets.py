#!/usr/bin/env python3
"""Makes tests/data/template_snippets.json: small chat templates and what Jinja gives for them.

The environment is the one of transformers' `apply_chat_template`: an immutable sandbox that trims and
strips blocks, with `break` and `continue`, transformers' own `tojson`, `raise_exception` and
`{% generation %}`, and `strftime_now` on the fixed day of the engine. A snippet that Jinja refuses has
`null` for its text.

    python3 scripts/make-template-snippets.py

Needs jinja2 only.
"""

import datetime
import json
from pathlib import Path

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

OUT = Path(__file__).resolve().parent.parent / "tests" / "data" / "template_snippets.json"

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "  Hi there <b>&\n"},
    {"role": "assistant", "content": "<think>\nhm\n</think>\n\nHello"},
    {"role": "user", "content": "naïve \"q\" 'r' \\"},
]

SNIPPETS = r"""
{{ tools is iterable and tools | length > 0 }}
{% if tools is iterable and tools | length > 0 %}T{% else %}N{% endif %}
{{ tools is none }}{{ tools is defined }}{{ tools is not none }}{{ documents }}
{% if tools %}T{% else %}N{% endif %}
{{ none is iterable }} {{ 1 is iterable }} {{ 'a' is iterable }} {{ [] is iterable }} {{ {} is iterable }} {{ missing is iterable }}
{{ none is sequence }} {{ 'a' is sequence }} {{ [1] is sequence }} {{ {} is sequence }} {{ (1,) is sequence }} {{ 1 is sequence }}
{{ 'a' is string }} {{ 1 is string }} {{ {} is mapping }} {{ [] is mapping }} {{ messages[0] is mapping }}
{{ 1 is number }} {{ 1.5 is number }} {{ true is number }} {{ '1' is number }}
{{ true is boolean }} {{ 1 is boolean }} {{ true is true }} {{ false is false }} {{ 1 is integer }} {{ true is integer }} {{ 1.0 is float }} {{ 1 is float }}
{{ none is none }} {{ 0 is none }} {{ missing is none }} {{ missing is undefined }} {{ missing is defined }}
{{ 4 is even }} {{ 3 is odd }} {{ 9 is divisibleby(3) }} {{ 9 is divisibleby 2 }}
{{ 1 is eq(1) }} {{ 1 is equalto 2 }} {{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 2 is ge 2 }} {{ 'a' is in ['a'] }} {{ 'a' is in 'cab' }}
{{ 1 is sameas 1 }} {{ true is sameas true }} {{ 'abc' is lower }} {{ 'ABC' is upper }} {{ raise_exception is callable }}
{{ none }}|{{ true }}|{{ false }}|{{ missing }}|{{ 1.0 }}|{{ 0.1 + 0.2 }}|{{ 1e20 }}|{{ 1e-7 }}|{{ 100000.0 }}
{{ [1, 'a', none, true, 1.0, [2]] }}
{{ {'b': 1, 'a': [1, 2], 'c': {'z': none, 'y': 'x'}} }}
{{ (1, 2) }} {{ (1,) }} {{ () }}
{{ ["it's", 'say "x"', 'both \' and "', 'line\nbreak', 'naïve', 'tab\t', 'back\\slash'] }}
{{ messages[0] }}
{{ messages }}
{{ range(3) }} {{ range(3) | list }} {{ range(1, 7, 2) | list }} {{ range(3, 0, -1) | list }}
{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 4 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 7.5 // 2 }} {{ 1 - 2 }} {{ +3 }}
{{ 'ab' * 3 }} {{ [1] * 3 }} {{ [1] + [2] }} {{ 'a' + 'b' }} {{ (1,) + (2,) }}
{{ 'a' ~ 1 ~ none ~ true ~ 1.5 ~ [1] }}
{{ 'a' + 1 }}
{{ '%s is %d or %.2f %r' % ('a', 3, 1.5, 'x') }} {{ '%s' % 'one' }} {{ '100%%' % () }}
{{ '%s-%s' | format('a', 1) }} {{ '{} and {}'.format(1, 'b') }} {{ '{0}{1}{0} {x}'.format('a', 'b', x=3) }} {{ '{:>5}|{:<4}|{:03d}|{:.1f}'.format('a', 'b', 7, 2.55) }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ none == false }} {{ '' == none }}
{{ 'x' in 'xyz' }} {{ 'q' not in 'xyz' }} {{ 1 in [1] }} {{ 'role' in messages[0] }} {{ 'x' in {'x': 1} }} {{ not true }} {{ not [] }}
{{ 'a' if true }}|{{ 'a' if false }}|{{ 'a' if false else 'b' }}
{{ 1 and 2 }} {{ 0 or 'x' }} {{ '' and 1 }} {{ none or [] }} {{ [] or none }}
{{ 'hello'[1] }} {{ 'hello'[-1] }} {{ 'hello'[1:3] }} {{ 'hello'[::-1] }} {{ 'hello'[-3:] }} {{ 'hello'[:-2] }} {{ 'hello'[::2] }}
{{ [1,2,3][-1] }} {{ [1,2,3][1:] }} {{ [1,2,3][::-1] }} {{ [1,2,3][5] }} {{ 'abc'[7] }} {{ (1,2,3)[:2] }} {{ [1,2,3][10:] }}
{{ messages[1:] | length }} {{ messages[::-1][0].role }} {{ messages[-1]['role'] }} {{ messages[9] is defined }}
{{ messages[0].role }} {{ messages[0]['content'] }} {{ messages[0].get('role') }} {{ messages[0].get('name') }} {{ messages[0].get('name', 'x') }} {{ messages[0].missing }} {{ messages[0].tool_calls is defined }}
{{ missing.attribute }}
{{ missing | default('x') }} {{ '' | default('x') }} {{ '' | default('x', true) }} {{ none | default('x') }} {{ none | default('x', boolean=true) }} {{ missing | d('y') }} {{ missing.a | default('z') }}
{{ messages[1].content | trim }}| {{- messages[1].content.strip() }}|{{ messages[1].content.lstrip() }}|{{ messages[1].content.rstrip() }}|
{{ 'xxaxx'.strip('x') }} {{ 'xyaxy'.lstrip('xy') }} {{ 'axyx'.rstrip('x') }} {{ 'xxaxx' | trim('x') }} {{ '\n a \n'.strip('\n') }}|
{{ 'a,b,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ''.split(',') }} {{ ''.split() }} {{ 'a,,b'.split(',') }}
{{ messages[2].content.split('</think>')[-1].lstrip('\n') }} {{ messages[2].content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') }}
{{ 'a\nb\r\nc'.splitlines() }} {{ 'a\nb'.splitlines(true) }} {{ 'ab'.partition('x') }} {{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }}
{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith('bc') }} {{ 'abc'.startswith(('x', 'a')) }} {{ 'abc'.endswith(('x', 'c')) }} {{ 'abc'.startswith('b', 1) }}
{{ 'a-b-c'.replace('-', '+') }} {{ 'a-b-c'.replace('-', '+', 1) }} {{ 'a-b-c' | replace('-', '+') }} {{ 'a-b-c' | replace('-', '+', 1) }}
{{ 'Hello World'.upper() }} {{ 'Hello'.lower() }} {{ 'hello world'.title() }} {{ 'hello WORLD'.capitalize() }} {{ 'aBc'.swapcase() }} {{ "they're bill's" | title }} {{ "they're".title() }}
{{ 'abcabc'.find('c') }} {{ 'abcabc'.rfind('c') }} {{ 'abc'.find('x') }} {{ 'abc'.index('b') }} {{ 'abcabc'.count('a') }} {{ 'abc'.index('x') }}
{{ '12'.isdigit() }} {{ 'ab'.isalpha() }} {{ 'a1'.isalnum() }} {{ ' '.isspace() }} {{ 'AB'.isupper() }} {{ 'ab'.islower() }} {{ ''.isdigit() }} {{ '12'.isnumeric() }} {{ '12'.isdecimal() }}
{{ '7'.zfill(3) }} {{ 'a'.ljust(3) }}|{{ 'a'.rjust(3, '-') }} {{ 'a'.center(5, '*') }} {{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('c') }}
{{ ', '.join(['a', 'b']) }} {{ ', '.join(messages | map(attribute='role')) }} {{ ['a', 'b'] | join('-') }} {{ [1, none, true] | join(',') }} {{ messages | join('|', attribute='role') }} {{ 'abc' | join('.') }}
{% for k, v in {'z': 1, 'a': 2}.items() %}{{ k }}={{ v }};{% endfor %}
{% for k, v in {'z': 1, 'a': 2} | items %}{{ k }}={{ v }};{% endfor %}{% for k in {'z': 1, 'a': 2} %}{{ k }}{% endfor %}
{{ {'z': 1, 'a': 2} | dictsort }} {{ {'z': 1, 'a': 2} | dictsort(by='value', reverse=true) }} {{ {'z': 1, 'a': 2} | list }} {{ {'z': 1, 'a': 2}.keys() | list }} {{ {'z': 1, 'a': 2}.values() | list }}
{{ {'a': 1, 'b': 2} | length }} {{ {'a': 1} == {'a': 1} }} {{ dict(b=1, a=2) }} {{ {'a': 1}['a'] }} {{ {'a': 1}.b is defined }} {{ {1: 'x'}[1] }}
{{ {'z': 1, 'a': 'b'} | tojson }} {{ [1, 1.0, none, true, 'é<&>'] | tojson }} {{ 'x' | tojson }} {{ none | tojson }}
{{ {'z': [1, {'y': 2}], 'a': {}, 'e': []} | tojson(indent=2) }}
{{ {'z': 1, 'a': [1, 2]} | tojson(separators=(',', ':')) }} {{ {'z': 1, 'a': 2} | tojson(sort_keys=true) }} {{ 'é' | tojson(ensure_ascii=true) }} {{ 'é' | tojson(ensure_ascii=false) }}
{{ {'a': [1, 2]} | tojson(indent=4, separators=(',', ': ')) }}
{{ messages[3] | tojson }} {{ messages | tojson(indent=2) }}
{{ missing | tojson }}
{{ [3, 1, 2] | sort }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A'] | sort(case_sensitive=true) }} {{ [3, 1] | sort(reverse=true) }} {{ messages | sort(attribute='role') | map(attribute='role') | list }}
{{ [1, 2, 1] | unique | list }} {{ ['a', 'A'] | unique | list }} {{ [1, 2, 3] | reverse | list }} {{ 'abc' | reverse }} {{ [1, 2, 3] | sum }} {{ [1, 5, 3] | max }} {{ [4, 2] | min }} {{ [] | max }}
{{ [1, 2, 3] | first }} {{ [1, 2, 3] | last }} {{ 'abc' | first }} {{ [] | first }} {{ [] | last is defined }}
{{ messages | selectattr('role', 'equalto', 'user') | list | length }} {{ messages | selectattr('role', '==', 'user') | map(attribute='content') | map('trim') | list }} {{ messages | rejectattr('role', 'in', ['user']) | map(attribute='role') | list }} {{ messages | selectattr('tool_calls', 'defined') | list }} {{ messages | selectattr('name') | list }}
{{ [1, 2, 3, 4] | select('odd') | list }} {{ [1, 2, 3] | reject('odd') | list }} {{ [0, 1, ''] | select | list }} {{ ['a', 'b'] | map('upper') | join }} {{ messages | map(attribute='name', default='?') | list }}
{{ 'abc' | length }} {{ [1] | count }} {{ 'a b' | wordcount }} {{ 'abc' | list }} {{ 1 | string + 'a' }} {{ '3' | int + 1 }} {{ 'x' | int }} {{ 'x' | int(7) }} {{ 3.7 | int }} {{ '1.5' | float }} {{ 'x' | float }} {{ 2 | float }} {{ '0x1f' | int(base=16) }}
{{ 2.5 | round }} {{ 2.567 | round(1) }} {{ 2.1 | round(method='ceil') }} {{ -3 | abs }} {{ 3 | round }} {{ 2.5 | round | int }}
{{ 'hello world' | upper }} {{ 'HELLO' | lower }} {{ 'hello world' | title }} {{ 'hELLO w' | capitalize }} {{ '<b>&"\'' | escape }} {{ '<b>' | safe }} {{ '<b>' | e }}
{{ 'a\nb\n\nc' | indent }} {{ 'a\nb' | indent(2) }} {{ 'a\nb' | indent(2, true) }} {{ 'a\n\nb' | indent(2, first=true, blank=true) }} {{ 'a\nb' | indent(width='--') }}
{{ [1, 2, 3, 4, 5] | batch(2) | list }} {{ [1, 2, 3] | batch(2, 0) | list }} {{ [1, 2, 3, 4, 5] | slice(2) | list }}
{% for g, items in messages | groupby('role') %}{{ g }}:{{ items | length }};{% endfor %}
{{ 'hello big world' | truncate(9) }} {{ 'hello' | truncate(3, true, '') }} {{ 'a' | center(5) }}| {{ '<p>a</p> b' | striptags }} {{ 'a b&c' | urlencode }}
{{ messages[0] | attr('role') }} {{ 'abc' | attr('upper') is defined }}
{% for m in messages %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }} {% endfor %}
{% for m in messages %}{{ loop.previtem.role if loop.previtem is defined else '-' }}>{{ loop.nextitem.role if not loop.last else '-' }} {% endfor %}
{% for m in messages %}{{ loop.cycle('a', 'b') }}{{ loop.changed(m.role) }}{% endfor %}
{% for m in messages if m.role == 'user' %}{{ loop.index }}/{{ loop.length }} {% else %}none{% endfor %}{% for m in [] %}x{% else %}empty{% endfor %}
{% for m in messages %}{% if loop.index0 == 1 %}{% continue %}{% endif %}{% if loop.index0 == 3 %}{% break %}{% endif %}{{ m.role }} {% endfor %}
{% for m in messages[::-1] %}{% set i = (messages | length - 1) - loop.index0 %}{{ i }}{{ m.role[0] }}{% endfor %}
{% for a in [[1, [2, 3]], [4, [5]]] recursive %}{{ a[0] if a is iterable else a }}{% if a is iterable and a[1] is defined %}({{ loop(a[1]) }}){% endif %}{% endfor %}
{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}{% for c in 'abc' %}{{ c }}-{% endfor %}
{% set x = 1 %}{% for i in [1, 2] %}{% set x = i %}{% endfor %}{{ x }}
{% set ns = namespace(found=false, n=0) %}{% for i in [1, 2] %}{% set ns.found = true %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.found }}{{ ns.n }}
{% set x, y = 1, 2 %}{{ x }}{{ y }}{% set z %}block {{ x }}{% endset %}{{ z }}{% set u | upper %}up{% endset %}{{ u }}
{% macro f(a, b='x', c=none) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ f(1) }}{{ f(1, 2) }}{{ f(1, c=3) }}{{ f(a=5) }}{{ f('q') | upper }}
{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, k=3) }}
{% macro wrap(t) %}<{{ t }}>{{ caller() }}</{{ t }}>{% endmacro %}{% call wrap('x') %}in{% endcall %}
{% macro lst(items) -%}{% for i in items %}{{ i }}{% if not loop.last %}, {% endif %}{% endfor %}{%- endmacro %}{{ lst([1, 2]) }}!
{% filter upper %}abc {{ 'd' }}{% endfilter %}{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{% raw %}{{ x }}{% endraw %}{# note #}
{%- if true -%}  a  {%- endif %}  b {%+ if true %} c{% endif %} d
{{ '\n' }}{{ "\t|" }}{{ '\u00e9' }}{{ '\x41' }}{{ 'a\\nb' }}{{ '\'' }}{{ '\q' }}
{% generation %}x{% endgeneration %}{%- generation -%} y {%- endgeneration -%} z
{{ raise_exception('no') }}
{{ strftime_now('%d %b %Y') }} {{ strftime_now('%Y-%m-%d') }} {{ strftime_now('%B %d, %Y, %A') }}
{{ [1, 2].append(3) }}
{{ {'a': 1}.update({'b': 2}) }}
{{ [1, 2, 1].index(2) }} {{ [1, 2, 1].count(1) }} {{ (1, 2, 1).count(1) }}
{{ namespace(a=1).a }} {{ cycler('a', 'b').next() }} {% set j = joiner(', ') %}{{ j() }}a{{ j() }}b
{{ lipsum is defined }} {{ messages is defined }} {{ add_generation_prompt }} {{ bos_token }}{{ eos_token }} {{ enable_thinking is defined }}
{{ (messages | first).role }} {{ (messages | last)['role'] }} {{ messages | length - 1 }} {{ (messages | selectattr('role', 'eq', 'user') | list)[-1].content[:3] }}
{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% endif %}{{ loop_messages | length }}{{ system_message }}
{% if (messages[0].role == 'user') != (0 % 2 == 0) %}odd{% else %}even{% endif %}
{% if messages[0].content is string and messages[0].content is not mapping and messages[0].content is not none %}ok{% endif %}
{% if messages[0].content is not string and messages[0].content is iterable %}list{% elif messages[0].content is iterable %}str{% endif %}
{% for item in messages[0].content %}{{ item }}{% if loop.index > 2 %}{% break %}{% endif %}{% endfor %}
{{ messages | tojson | length }} {{ messages | string | length }} {{ messages[3] | string }}
{{ 1_000 }} {{ 0x10 }} {{ 0b11 }} {{ 0o17 }} {{ 1e3 }} {{ 12345678901234567890 }} {{ 2 ** 70 }}
{{ true + 1 }} {{ 'a' < 1 }}
{{ 'a' 'b' }} {{ "a" ~ "b" * 2 }} {{ 1 + 2 * 3 ** 2 }} {{ -2 ** 2 }} {{ not 1 == 2 }} {{ 2 ** 3 ** 2 }}
{{ ['a', 'b', 'c'] | map('length') | list }} {{ [[1, 2], [3]] | map('first') | list }} {{ [[1, 2], [3]] | sum(start=[]) }} {{ [{'a': {'b': 1}}] | map(attribute='a.b') | list }}
{{ messages | map(attribute='role') | unique | list }} {{ 'a' in (messages | map(attribute='role')) }} {{ messages | map('attr', 'role') | list }}
{{ undefined_function() }}
{{ 'x' | no_such_filter }}
{{ 'x' is no_such_test }}
{% if missing %}T{% else %}F{% endif %}{% for m in missing %}x{% endfor %}{{ missing | length }}
{{ missing ~ 'x' }} {{ missing == missing }} {{ missing == none }} {{ missing in ['a'] }} {{ missing | list }} {{ missing | trim }}|{{ missing | upper }}|
{{ 'a' in missing }}
{{ none | length }}
{{ none.x }}|{{ none['x'] }}|{{ (1).x }}|{{ 'a'.x }}
{{ messages[0]['role', 'x'] }}
{{ 'abc' | pprint }} {{ [1, 'a'] | pprint }} {{ {'a': 'x'} | xmlattr }} {{ 'word wrap here' | wordwrap(5) }} {{ 1024 | filesizeformat }}
{% set content = messages[1].content | string %}{{ '<|im_start|>' ~ messages[1].role + '\n' + content | trim + '<|im_end|>' }}
{{- '<|start|>' }}{{- "\n\n" }}{%- if not add_generation_prompt %}{{ eos_token }}{% endif %}
{% set _ = 1 %}{% set d = {'a': 1} %}{% set d = dict(d, b=2) %}{{ d }}{{ d | length }}
{{ (['x'] + messages | map(attribute='role') | list) | join(' ') }}
{% block a %}x{% endblock %}{{ self.a() }}
{{ loop is defined }}{% for i in [1] %}{{ loop is defined }}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}
{% do 1 %}
{% for x in [1, 2, 3] %}{{ x }}{{ ", " if not loop.last else "" }}{% endfor %}{{ 3 if 1 > 2 else 4 if 2 > 3 else 5 }}
{{ ('a', 'b')[1] }} {{ [1, 2] == (1, 2) }} {{ (1, 2) == (1, 2) }} {{ 'a' == "a" }} {{ 1 != 2 }} {{ [1] is eq [1] }}
{{ 'A\x07b\x7f\u200b\U0001F600' }} {{ ['\x07\x7f\u200b\U0001F600\u00ad'] }}
{{ '%05.1f|%-5s|%+d|%x|%c|%e' % (3.14159, 'ab', 5, 255, 'z', 12345.678) }}
{{ 'a b c'.split(' ', maxsplit=1) }} {{ 'a b c'.rsplit(maxsplit=1) }} {{ 'abc'.replace('b', '') }} {{ 'x'.join('abc') }} {{ 'ß'.upper() }} {{ 'İ'.lower() | length }}
""".strip("\n").split("\n")

BLOCKS = [
    "a\r\n{% if true %}\r\nb\r\n{% endif %}\r\nc\r\n",
    "a\r{{ 'x' }}\rb",
    "{{ 'a\r\nb' }}",
    "{% for m in messages %}\n  {{ m.role }}\n{% endfor %}\nend",
    "  {% if true %}\n  x\n  {% endif %}\ny",
    "\t{%- if true %}\n x{% endif %}\n\n\nz\n",
    "a\n\n",
    "a\n",
    "\n a {#- c -#} b \n{# d #}\n e",
    "{# d #}\n  {# e #}\n  f",
    "  {{ 'x' }}\n  {{- 'y' }}\n{{ 'z' -}}\n  w",
    "{% raw %}\n  {{ a }}\n{% endraw %}\nb",
    "{%+ if true %}\n x\n{%+ endif %}\n",
    "  {%+ if true +%}\n x\n  {% endif +%}\n y",
    "{% set x %}\n  a\n{% endset %}\n[{{ x }}]",
    "{% macro f() %}\n a\n{% endmacro %}\n[{{ f() }}]",
    "text {% if true %}\n inner {% endif %} tail\n",
    "{% if true %}{% endif %}\n\n{% if true %}\n{% endif %}\n",
    "{%- generation %}\nx\n{%- endgeneration %}\ny",
    "{% if a",
    "{{ 'x' ",
    "{% if true %}x",
    "x {% endif %}",
    "{{ }}",
    "{% unknown %}",
    "{# not closed",
]


def environment():
    class Generation(jinja2.ext.Extension):
        tags = {"generation"}

        def parse(self, parser):
            lineno = next(parser.stream).lineno
            body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
            return jinja2.nodes.CallBlock(self.call_method("_part"), [], [], body).set_lineno(lineno)

        def _part(self, caller):
            return caller()

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                          sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = datetime.datetime(2024, 7, 26).strftime
    return env


def rendered(snippet):
    try:
        return environment().from_string(snippet).render(
            messages=MESSAGES, tools=None, documents=None, add_generation_prompt=True,
            bos_token="<s>", eos_token="</s>", enable_thinking=False)
    except Exception:  # whatever it is, the model cannot be asked
        return None


def pieces(line):
    """A line of several expressions is one case each, so that a difference names its expression."""
    parts = line.split(" {{ ")
    alone = "{%" not in line and all(p.rstrip(" |").endswith("}}") for p in parts)
    return [p if i == 0 else "{{ " + p for i, p in enumerate(parts)] if alone else [line]


def main():
    cases = [{"template": s, "expected": rendered(s)}
             for line in [*SNIPPETS, *BLOCKS] for s in (pieces(line) if line in SNIPPETS else [line])]
    OUT.write_text(json.dumps({"messages": MESSAGES, "cases": cases}, ensure_ascii=False, indent=1) + "\n")
    print(len(cases), "snippets,", sum(c["expected"] is None for c in cases), "of them refused")


if __name__ == "__main__":
    main()
