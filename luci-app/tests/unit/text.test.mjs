// SPDX-License-Identifier: Apache-2.0

import test from 'node:test';
import assert from 'node:assert/strict';
import { load } from '../lib/modules.mjs';

const text = load()('latchkey.text');

test('say fills places by name, in any order, and leaves unknown ones', () => {
	assert.equal(text.say('{b} before {a}, {c}', { a: 1, b: '{a}' }), '{a} before 1, {c}');
});

test('rich keeps nodes apart from text', () => {
	const node = { nodeType: 1 };

	assert.deepEqual(text.rich('to {door}!', { door: node }), [ 'to ', node, '!' ]);
	assert.deepEqual(text.rich('{door}', { door: [ 'a', node ] }), [ 'a', node ]);
});

test('durations are said with their two largest units', () => {
	for (const [ seconds, words ] of [ [ 0, '0 seconds' ], [ 1, '1 second' ], [ 30, '30 seconds' ], [ 600, '10 minutes' ],
		[ 5400, '1 hour 30 minutes' ], [ 28800, '8 hours' ], [ 90061, '1 day 1 hour' ], [ 56 * 31536000 + 86400 * 300, '56 years' ], [ 3601, '1 hour' ] ])
		assert.equal(text.duration(seconds), words);
});

test('a countdown shows hours only if there are some', () => {
	for (const [ seconds, words ] of [ [ 0, '0:00' ], [ -3, '0:00' ], [ 9.2, '0:10' ], [ 581, '9:41' ], [ 28752, '7:59:12' ] ])
		assert.equal(text.countdown(seconds), words);
	assert.equal(text.isoDuration(581), 'PT581S');
});

test('lists end with "and"', () => {
	assert.equal(text.list([]), '');
	assert.equal(text.list([ 'a' ]), 'a');
	assert.equal(text.list([ 'a', 'b', 'c' ]), 'a, b and c');
});

test('what cannot be seen is shown with its number', () => {
	for (const [ value, want ] of [ [ 'NAS – SSH <b>&amp;', 'NAS – SSH <b>&amp;' ], [ 'a\u202eb\u200bc\x1b', 'a[U+202E]b[U+200B]c[U+001B]' ],
		[ 'two\nlines\t', 'two\nlines\t' ], [ '\ud800', '[U+D800]' ], [ '\u2067a\u2069', '[U+2067]a[U+2069]' ],
		[ '\u2069a\u2068b', '[U+2069]a[U+2068]b' ], [ '\u2068a\u2069\u2069', '\u2068a\u2069[U+2069]' ], [ '\u{e0041}', '[U+E0041]' ] ])
		assert.equal(text.shown(value), want, JSON.stringify(value));
});

test('a name from right to left does not turn its sentence', () => {
	assert.equal(text.say('{client} opened {door}', { client: 'אבא', door: 'NAS' }), '\u2068אבא\u2069 opened NAS');
	assert.deepEqual(text.rich('{client} opened', { client: 'דار\u202e' }), [ '\u2068דار[U+202E]\u2069', ' opened' ]);
	assert.equal(text.list([ 'אבא', 'b' ]), '\u2068אבא\u2069 and b');
});
