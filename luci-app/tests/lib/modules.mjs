// SPDX-License-Identifier: Apache-2.0

// The app's modules under the shim, and the text of the daemon's sources that they must agree with.

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

// A file of the daemon, or null where this folder is tested without it.
export function daemonSource(path) {
	const file = join(repository, path);

	return existsSync(file) ? readFileSync(file, 'utf8') : null;
}

// All Go files of a package that are no tests, as one text.
export function daemonPackage(path) {
	const folder = join(repository, path);

	if (!existsSync(folder))
		return null;

	return readdirSync(folder).filter(f => f.endsWith('.go') && !f.endsWith('_test.go'))
		.map(f => readFileSync(join(folder, f), 'utf8')).join('\n');
}
