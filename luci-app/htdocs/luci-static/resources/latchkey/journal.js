// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';

// The daemon's events in this browser: asked for once, then only what is new. Pure.

const AGAIN = 16;       // newest events that are asked for again: the daemon counts on them
const WHOLE = 600000;   // milliseconds after which all are asked for: the daemon forgets old ones

// A journal: { run, at, list }. run: of the daemon; at: when all were asked for, in milliseconds of any clock.
function empty() {
	return { run: null, at: 0, list: [] };
}

// The number of the event behind which to ask, 0 for all.
function since(j, run, at) {
	if (j.run !== run || at - j.at > WHOLE || j.list.length <= AGAIN)
		return 0;

	return j.list[j.list.length - AGAIN - 1].number;
}

// The journal with an answer to that, null if all must be asked for: what was told before was told of
// other times, so the router's clock was set.
function add(j, run, at, after, answer) {
	if (after == 0)
		return { run: run, at: at, list: answer };

	const old = {};

	j.list.forEach(function(e) { old[e.number] = e.time; });
	if (answer.some(function(e) { return old[e.number] != null && old[e.number] != e.time; }))
		return null;

	return { run: run, at: j.at, list: j.list.filter(function(e) { return e.number <= after; }).concat(answer) };
}

return baseclass.extend({
	empty: empty,
	since: since,
	add: add
});
