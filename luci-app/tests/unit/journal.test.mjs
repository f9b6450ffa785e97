// SPDX-License-Identifier: Apache-2.0

import test from 'node:test';
import assert from 'node:assert/strict';
import { load } from '../lib/modules.mjs';

const journal = load()('latchkey.journal');
const events = (from, to, time = n => 't' + n) => Array.from({ length: to - from + 1 }, (_, i) => ({ number: from + i, time: time(from + i) }));

test('all is asked for once, then what is new and the few that the daemon still counts on', () => {
	let j = journal.empty();

	assert.equal(journal.since(j, 'r', 0), 0);
	j = journal.add(j, 'r', 0, 0, events(1, 100));
	assert.equal(journal.since(j, 'r', 3000), 84);

	const again = events(85, 102).map(e => e.number == 100 ? { ...e, count: 7 } : e);

	j = journal.add(j, 'r', 3000, 84, again);
	assert.deepEqual(j.list.map(e => e.number), events(1, 102).map(e => e.number));
	assert.equal(j.list[99].count, 7);
});

test('all is asked for again after a restart of the daemon, and once in a while', () => {
	const j = journal.add(journal.empty(), 'r', 1000, 0, events(1, 100));

	assert.equal(journal.since(j, 'another', 2000), 0);
	assert.equal(journal.since(j, 'r', 1000 + 601000), 0);
});

test('a clock that was set makes all that was told before worthless', () => {
	const j = journal.add(journal.empty(), 'r', 0, 0, events(1, 100));

	assert.equal(journal.add(j, 'r', 3000, 84, events(85, 101, n => 'later ' + n)), null);
	assert.notEqual(journal.add(j, 'r', 3000, 84, events(85, 101)), null);
});
