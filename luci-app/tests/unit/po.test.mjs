// SPDX-License-Identifier: Apache-2.0

import test from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { app, tests, catalog, load } from '../lib/modules.mjs';
import { parsePo, pluralFunction, formatEntry } from '../lib/po.mjs';
import { calls } from '../tools/pot.mjs';

const places = s => [ ...s.matchAll(/\{[a-z_]+\}/g) ].map(m => m[0]).sort().join();

test('the list of texts is up to date and every text is translated', () => {
	const run = spawnSync(process.execPath, [ join(tests, 'tools/pot.mjs'), '--check' ], { encoding: 'utf8' });

	assert.equal(run.status, 0, run.stderr);
});

for (const language of [ 'de', 'zh_Hans' ])
	test('translations keep the places of the sentences: ' + language, () => {
		for (const e of catalog(language).entries)
			e.translations.forEach((t, i) => assert.equal(places(t), places(i && e.plural ? e.plural : e.id), e.id));
	});

test('German and Chinese sentences read as such', () => {
	const stale = { kind: 'refused', reason: 'stale', skew: 540 };

	assert.equal(load('de')('latchkey.event').refusal(stale).what, 'Die Uhr des Clients geht gegenüber der des Routers um 9 Minuten vor.');
	assert.equal(load('zh_Hans')('latchkey.event').refusal(stale).what, '客户端的时钟比路由器快 9 分钟。');
	assert.equal(load('zh_Hans')('latchkey.text').list([ 'a', 'b', 'c' ]), 'a、b和c');
});

test('calls are found with joined strings, contexts and plurals, and not in comments', () => {
	assert.deepEqual(calls('// _(\'no\')\nx(_(\'a\' +\n\t\'b\', \'ctx\'), N_(n, \'{n} c\', \'{n} cs\'), foo_(\'no\'))'), [
		{ id: 'ab', plural: null, context: 'ctx' }, { id: '{n} c', plural: '{n} cs', context: null } ]);
	assert.throws(() => calls('_(name)'), /without a literal/);
});

test('.po text survives reading and writing', () => {
	const text = readFileSync(join(app, 'po/de/latchkey.po'), 'utf8');
	const po = parsePo(text);

	assert.ok(text.endsWith(po.entries.map(e => formatEntry(e, e.translations)).join('\n')));
	assert.deepEqual([ 0, 1, 2 ].map(pluralFunction(po.header)), [ 1, 0, 1 ]);
});
