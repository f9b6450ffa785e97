// SPDX-License-Identifier: Apache-2.0

import test from 'node:test';
import assert from 'node:assert/strict';
import { load, daemonPackage } from '../lib/modules.mjs';

const status = load()('latchkey.status');
const running = { running: true, now: '2026-11-25T12:00:00.5Z', devices: [ { name: 'wan', state: 'up' } ] };
const clock = s => status.facts({ ...running, ...s }).at(-1);
const ago = { clock_since: '2026-11-25T11:57:00Z' };

test('the overview says why the clock is right, and since when', () => {
	assert.deepEqual(clock({ clock: 'synchronised', clock_reason: 'ntp', ...ago }),
		{ level: 'good', text: 'The router’s clock is right: set by NTP 3 minutes ago.' });
	assert.deepEqual(clock({ clock: 'synchronised', clock_reason: 'kernel' }),
		{ level: 'good', text: 'The router’s clock is right, says its kernel.' });
	assert.equal(clock({ clock: 'synchronised', clock_reason: 'given' }).text, 'The router’s clock is right.');
});

test('the overview says why the clock may be wrong, and what that means', () => {
	const texts = {
		unset: 'The router’s clock is not set yet.',
		unsync: 'The router’s clock may be wrong: NTP said 3 minutes ago that no time server answers.',
		silent: 'The router’s clock may be wrong: the last word of NTP came 3 minutes ago.',
		moved: 'The router’s clock may be wrong: it was set by something else than NTP.',
		given: 'The router’s clock may be wrong.'
	};

	for (const reason in texts) {
		const fact = clock({ clock: 'free', clock_reason: reason, ...ago });

		assert.equal(fact.text, texts[reason]);
		assert.equal(fact.level, 'warn');
		assert.match(fact.todo, /^Knocks work, /);
	}
});

test('every reason of the daemon has a sentence of its own', t => {
	const go = daemonPackage('pkgs/clock');

	if (!go)
		return t.skip('SKIP: the daemon’s sources are not beside this folder');

	const words = [ ...go.matchAll(/Reason = "([a-z]+)"/g) ].map(m => m[1]);

	assert.equal(words.length, 7);
	assert.equal(new Set(words.map(w => clock({ clock: 'free', clock_reason: w, ...ago }).text)).size, words.length);
});

test('a door that cannot be opened for another reason is drawn anew', () => {
	const seen = reason => status.fingerprint({ ...running, doors: [ { name: 'nas', state: 'broken', reason } ] }, []);

	assert.notEqual(seen('no zone lan'), seen('no zone wan'));
});

test('the page is drawn anew when the minutes have changed', () => {
	const seen = now => status.fingerprint({ ...running, now, clock: 'synchronised', clock_reason: 'ntp', ...ago }, []);

	assert.equal(seen('2026-11-25T12:00:10Z'), seen('2026-11-25T12:00:20Z'));
	assert.notEqual(seen('2026-11-25T12:00:10Z'), seen('2026-11-25T12:02:10Z'));
});
