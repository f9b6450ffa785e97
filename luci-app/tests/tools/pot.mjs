// SPDX-License-Identifier: Apache-2.0

// Collects the texts of the app into po/templates/latchkey.pot, and brings the translations into
// the same order: texts that went away are dropped, new ones are empty. With --check it writes
// nothing and fails if a file would change or a text is not translated.

import { readFileSync, writeFileSync, readdirSync, existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { app } from '../lib/modules.mjs';
import { parsePo, pluralFunction, formatEntry } from '../lib/po.mjs';

const HEADER = 'Content-Type: text/plain; charset=UTF-8\n';
const STRING = /\s*'((?:[^'\\]|\\.)*)'/y;

function files(folder, ending) {
	return readdirSync(folder, { recursive: true }).map(String).filter(f => f.endsWith(ending)).sort().map(f => join(folder, f));
}

// Reads 'a' + 'b' at a place; null if there is no string.
function stringAt(text, at) {
	let value = null;

	for (;;) {
		STRING.lastIndex = at;

		const m = STRING.exec(text);

		if (!m)
			break;
		value = (value ?? '') + Function('return \'' + m[1] + '\'')();
		at = STRING.lastIndex;

		const plus = /\s*\+/y;

		plus.lastIndex = at;
		if (!plus.exec(text))
			break;
		at = plus.lastIndex;
	}

	return { value, at };
}

function skipComma(text, at) {
	const m = /\s*,/y;

	m.lastIndex = at;

	return m.exec(text) ? m.lastIndex : -1;
}

// The strings of a call from its opening bracket on.
function strings(text, at) {
	const out = [];

	while (at >= 0) {
		const s = stringAt(text, at);

		if (s.value == null)
			break;
		out.push(s.value);
		at = skipComma(text, s.at);
	}

	return out;
}

// All calls of _() and N_() in a script: [{ id, plural, context }].
export function calls(text) {
	const out = [];

	text = text.replace(/^\s*\/\/.*$/gm, '');
	for (const m of text.matchAll(/(?<![\w$.])(_|N_)\(/g)) {
		const start = m.index + m[0].length;

		if (m[1] == '_') {
			const [ id, context = null ] = strings(text, start);

			if (id == null)
				throw new Error('_() without a literal text: ' + text.slice(m.index, m.index + 60));
			out.push({ id, plural: null, context });
		}
		else {
			const [ id, plural, context = null ] = strings(text, text.indexOf(',', start) + 1);

			if (plural == null)
				throw new Error('N_() without two literal texts: ' + text.slice(m.index, m.index + 60));
			out.push({ id, plural, context });
		}
	}

	return out;
}

function titles(text) {
	return Object.values(JSON.parse(text)).map(node => ({ id: node.title ?? node.description, plural: null, context: null }));
}

function collect() {
	const found = new Map();
	const add = (entry, file) => {
		const key = (entry.context ?? '') + '\u0001' + entry.id;
		const known = found.get(key) ?? { ...entry, files: new Set() };

		known.files.add(relative(app, file));
		found.set(key, known);
	};

	for (const f of files(join(app, 'htdocs/luci-static'), '.js'))
		calls(readFileSync(f, 'utf8')).forEach(e => add(e, f));
	for (const f of [ ...files(join(app, 'root/usr/share/luci'), '.json'), ...files(join(app, 'root/usr/share/rpcd'), '.json') ])
		titles(readFileSync(f, 'utf8')).forEach(e => add(e, f));

	return [ ...found.values() ].map(e => ({ ...e, translations: [], comments: [ '#: ' + [ ...e.files ].join(' ') ] }));
}

function header(fields) {
	return 'msgid ""\nmsgstr ""\n' + fields.map(f => JSON.stringify(f)).join('\n') + '\n\n';
}

function translated(entries, path) {
	const old = parsePo(readFileSync(path, 'utf8'));
	const known = new Map(old.entries.map(e => [ (e.context ?? '') + '\u0001' + e.id, e ]));
	const forms = +(old.header['Plural-Forms'].match(/nplurals=(\d)/)[1]);
	const missing = [];

	pluralFunction(old.header);

	const text = header(Object.entries(old.header).map(([ k, v ]) => k + ': ' + v + '\n')) + entries.map(e => {
		const t = known.get((e.context ?? '') + '\u0001' + e.id)?.translations ?? [];
		const wanted = Array.from({ length: e.plural ? forms : 1 }, (_, i) => t[i] ?? '');

		if (wanted.some(x => x == ''))
			missing.push(e.id);

		return formatEntry(e, wanted);
	}).join('\n');

	return { text, missing };
}

function main(check) {
	const entries = collect();
	const out = new Map([ [ join(app, 'po/templates/latchkey.pot'), header([ HEADER ]) +
		entries.map(e => formatEntry(e, e.plural ? [ '', '' ] : [ '' ])).join('\n') ] ]);
	let bad = 0;

	for (const lang of readdirSync(join(app, 'po')).filter(l => l != 'templates')) {
		const path = join(app, 'po', lang, 'latchkey.po');
		const t = translated(entries, path);

		out.set(path, t.text);
		if (t.missing.length) {
			console.error(lang + ': ' + t.missing.length + ' texts are not translated, such as ' + JSON.stringify(t.missing[0]));
			bad++;
		}
	}
	for (const [ path, text ] of out) {
		if (existsSync(path) && readFileSync(path, 'utf8') == text)
			continue;
		if (check) {
			console.error(relative(app, path) + ' is out of date: run "npm run pot" in luci-app/tests');
			bad++;
		}
		else {
			writeFileSync(path, text);
			console.log(relative(app, path) + ' written, ' + entries.length + ' texts');
		}
	}

	return check && bad ? 1 : 0;
}

if (process.argv[1]?.endsWith('pot.mjs'))
	process.exitCode = main(process.argv.includes('--check'));
