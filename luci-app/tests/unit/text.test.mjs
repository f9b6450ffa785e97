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
		[ 5400, '1 hour 30 minutes' ], [ 28800, '8 hours' ], [ 90061, '1 day 1 hour' ], [ 3601, '1 hour' ] ])
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
