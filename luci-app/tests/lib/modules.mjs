// SPDX-License-Identifier: Apache-2.0

// The app's modules under the shim, and the tables that the daemon's tests read, too.

import { readFileSync, existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dirname, join } from 'node:path';
import '../shim.js';
import { parsePo, pluralFunction } from './po.mjs';

export const tests = join(dirname(fileURLToPath(import.meta.url)), '..');
export const app = join(tests, '..');
export const repository = join(app, '..');
const resources = join(app, 'htdocs/luci-static/resources');

export function source(name) {
	return readFileSync(join(resources, name.replaceAll('.', '/') + '.js'), 'utf8');
}

export function moduleNames() {
	return readdirSync(join(resources, 'latchkey')).filter(f => f.endsWith('.js')).map(f => 'latchkey.' + f.slice(0, -3));
}

export function catalog(language) {
	return parsePo(readFileSync(join(app, 'po', language, 'latchkey.po'), 'utf8'));
}

// Loads pure modules in Node, in a language or in the sources' own English.
export function load(language) {
	const entries = {};
	let plural = n => n != 1;

	if (language) {
		const po = catalog(language);

		for (const e of po.entries)
			entries[(e.context != null ? e.context + '\u0001' : '') + e.id] = e.plural ? e.translations : e.translations[0];
		plural = pluralFunction(po.header);
	}
	Object.assign(globalThis, Shim.translator(entries, plural), { window: globalThis });

	return Shim.loader(source);
}

// The lines of a table of the repository, whose fields have tabs between, - for nothing; without lines where this folder is
// tested alone.
export function table(path) {
	const file = join(repository, 'testdata', path);

	return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean)
		.map(line => line.split('\t').map(field => (field == '-') ? '' : field)) : [];
}

// What skips a test of such a table.
export function without(lines) {
	return !lines.length && 'SKIP: this folder is tested without the daemon’s';
}

// Sections from the text of a configuration, with ' | ' between lines.
export function parsed(text) {
	const all = [];

	for (const line of text.split(' | ')) {
		const [ , word, name, value ] = line.match(/^(\w+) (\w+) '(.*)'$/);

		if (word == 'config')
			all.push({ '.type': name, '.name': value });
		else
			all.at(-1)[name] = (word == 'list') ? (all.at(-1)[name] || []).concat(value) : value;
	}

	return all;
}

// The daemon's words of a kind: reasons, kinds of events, ...
export function words(kind) {
	return table('words.tsv').filter(line => line[0] == kind).map(line => line[1]);
}
