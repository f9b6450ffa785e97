// SPDX-License-Identifier: Apache-2.0

// What the page says of a door, given what came back from its port and from the one beside it.

import test from 'node:test';
import assert from 'node:assert/strict';
import { core } from './page.mjs';

const { judge } = core('judge');

/** A host: when its door and its other port answered, before and after the knock (ms, undefined = silence). */
const host = (beforeDoor, beforeOther, door, other) => ({ before: { door: beforeDoor, other: beforeOther }, after: { door, other } });
const no = undefined;

const silent = host(no, no, no, no), opened = host(no, no, 20, no), wasOpen = host(20, no, 20, no), refuses = host(20, 20, 20, 20);
for (const [what, word, hosts, age = 1000, over = false] of [
	['silence that turned into an answer', 'open', [opened]],
	['an answer that is so new that the other port may follow', 'wait', [opened], 110],
	['an answer that took long, so the other port may take as long', 'wait', [host(no, no, 400, no)], 790],
	['silence', 'silent', [silent]],
	['silence to the end', 'silent', [silent], 3000, true],
	['an answer before the knock', 'before', [wasOpen]],
	['an answer before the knock, when the other port may still follow', 'wait', [wasOpen], 50],
	['a router that refuses', 'answers', [refuses]],
	['a router that refused only before', 'answers', [host(20, 20, no, no)]],
	['a network that came back between, and a router that refuses', 'answers', [host(no, no, 20, 25)]],
	['a refusing router whose door was silent at first', 'answers', [host(no, 20, 20, 20)]],
	['a host that the system gives up', 'silent', [host(no, no, 1030, 1031)]],
	['a service behind a retransmission', 'open', [host(no, no, 1030, no)], 2000],
	['one address that opened, one without a route', 'open', [refuses, opened]],
	['one address that opened, one that is silent', 'open', [silent, opened]],
	['one address that refuses, one that is silent', 'silent', [refuses, silent]],
	['one address that answered before, one that may open', 'silent', [wasOpen, silent]],
	['one address that answered before, one that did not open', 'before', [wasOpen, silent], 3000, true],
	['one address that answered before, one without a route', 'before', [wasOpen, refuses]],
])
	test(`${what}: ${word}`, () => {
		const side = name => Object.fromEntries(hosts.map((h, i) => [`host${i}`, h[name]]));
		const verdict = judge(side('before'), side('after'), age, over);
		assert.equal(verdict.word, word);
		if (word === 'open') assert.equal(hosts[+verdict.host.slice(4)].after.other, undefined, 'the host that opened is named');
	});
