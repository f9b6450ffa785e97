// SPDX-License-Identifier: Apache-2.0

import test from 'node:test';
import assert from 'node:assert/strict';
import { load } from '../lib/modules.mjs';

process.env.TZ = 'Europe/Berlin';
globalThis.document = { documentElement: { lang: 'en' } };

const need = load();
const visits = need('latchkey.visits'), timeline = need('latchkey.timeline'), plot = need('latchkey.plot');
const { day, week } = timeline.SPANS;

const NOW = Date.parse('2026-11-25T20:10:00Z');
const MINUTE = 60000, HOUR = 60 * MINUTE;
const iso = t => new Date(t).toISOString();
const measure = s => s.length * 7;
const running = { clock: 'synchronised', doors: [ { name: 'nas', title: 'NAS', grants: [] }, { name: 'web', grants: [] } ], clients: [ { name: 'anna', title: 'Anna' } ] };
const known = { doors: { nas: 'NAS', web: 'web' }, clients: { anna: 'Anna', ben: 'Ben' } };

// Events in the order of their times, with numbers.
const events = list => list.map((e, i) => ({ number: i + 1, ...e }));
const opened = (t, more) => ({ kind: 'opened', time: iso(t), door: 'nas', client: 'anna', address: '203.0.113.7', until: iso(t + 10 * MINUTE), ...more });
const expired = (from, t, more) => ({ kind: 'expired', time: iso(t), from: iso(from), door: 'nas', client: 'anna', address: '203.0.113.7', ...more });
const refused = (t, more) => ({ kind: 'refused', time: iso(t), address: '198.51.100.1', reason: 'replayed', ...more });
const started = t => ({ kind: 'started', time: iso(t) });
const read = (list, status = running) => visits.read(status, events(list), NOW);
const laid = (list, span = day, width = 1000, status = running) => {
	const n = plot.named(read(list, status), status, known);

	return timeline.layout(n.history, n.rows, span, width, measure);
};

test('one event is a whole visit, whether its opening is still known or not', () => {
	for (const before of [ [ opened(NOW - HOUR) ], [] ]) {
		const { visits: list } = read([ ...before, expired(NOW - HOUR, NOW - 50 * MINUTE) ]);

		assert.deepEqual(list, [ { door: 'nas', client: 'anna', knock: '', address: '203.0.113.7', from: NOW - HOUR, to: NOW - 50 * MINUTE, end: 'expired', pending: false } ]);
	}
});

test('who is in now is in the status, each client at the same address by itself', () => {
	const grant = (client, minutes, more) => ({ address: '203.0.113.7', client, knock: 'message stun', since: iso(NOW - minutes * MINUTE), until: iso(NOW + MINUTE), ...more });
	const s = { ...running, doors: [ { name: 'nas', grants: [ grant('anna', 9), grant('ben', 4, { pending: true }) ] } ] };
	const list = read([ opened(NOW - 9 * MINUTE, { knock: 'message stun' }), opened(NOW - 4 * MINUTE, { client: 'ben', knock: 'message stun' }) ], s).visits;

	assert.deepEqual(list.map(v => [ v.client, (v.to - v.from) / MINUTE, v.end, v.pending ]), [ [ 'anna', 9, 'open', false ], [ 'ben', 4, 'open', true ] ]);
});

test('an end that nobody saw is the end that was set, or the next start', () => {
	assert.deepEqual(read([ opened(NOW - HOUR) ]).visits.map(v => [ v.to, v.end ]), [ [ NOW - 50 * MINUTE, 'lost' ] ]);
	assert.deepEqual(read([ opened(NOW - HOUR), { ...opened(NOW - 55 * MINUTE), kind: 'extended' } ]).visits.map(v => v.to), [ NOW - 45 * MINUTE ]);
	assert.deepEqual(read([ opened(NOW - HOUR), started(NOW - 57 * MINUTE) ]).visits.map(v => v.to), [ NOW - 57 * MINUTE ]);
	assert.deepEqual(read([ opened(NOW - MINUTE) ]).visits.map(v => v.to), [ NOW ], 'nothing is drawn of the future');
});

test('who may be among the grants that the status does not list is in until the time that was told', () => {
	const s = { ...running, doors: [ { name: 'nas', grants: [], more: 3 }, { name: 'web', grants: [] } ] };
	const list = [ opened(NOW - HOUR), opened(NOW - MINUTE, { address: '203.0.113.8' }), opened(NOW - MINUTE, { door: 'web' }) ];

	assert.deepEqual(read(list, s).visits.map(v => [ v.door, v.to, v.end ]), [ [ 'nas', NOW - 50 * MINUTE, 'lost' ], [ 'nas', NOW, 'open' ], [ 'web', NOW, 'lost' ] ]);
});

test('of many doors as many are drawn as there is room for, beside refusals that name none', () => {
	const doors = Array.from({ length: 30 }, (_, i) => ({ name: 'door' + i, grants: [] }));
	const list = doors.map((d, i) => expired(NOW - HOUR, NOW - (30 - i) * MINUTE, { door: d.name })).concat(refused(NOW - MINUTE / 2));
	const l = laid(list, day, 1000, { ...running, doors });

	assert.deepEqual(l.rows.filter(r => r.id != '').map(r => r.id), doors.slice(6).map(d => d.name));
	assert.deepEqual([ l.rows.filter(r => r.id == '').length, l.more ], [ 1, 6 ]);
});

test('a grant that the firewall never took is no visit, however it ended', () => {
	for (const kind of [ 'closed', 'expired' ])
		assert.deepEqual(read([ opened(NOW - HOUR), { ...expired(0, NOW - 50 * MINUTE), kind, from: undefined } ]).visits, [], kind);
});

test('a close of what was not open is no visit, a copy that good knocks bring about no refusal', () => {
	const h = read([ { kind: 'closed', time: iso(NOW - HOUR), door: 'nas', client: 'anna', detail: 'it was not open' }, refused(NOW - HOUR, { usual: true }), refused(NOW - MINUTE, { count: 3 }) ]);

	assert.deepEqual([ h.visits.length, h.refusals.map(r => r.count) ], [ 0, [ 3 ] ]);
});

test('what is not known is told: before the first event, and before the oldest that fits', () => {
	assert.equal(read([ started(NOW - 3 * HOUR), refused(NOW) ]).known, NOW - 3 * HOUR);

	const many = n => Array.from({ length: n }, (_, i) => expired(NOW - (n - i) * MINUTE - 30000, NOW - (n - i) * MINUTE));
	const few = read([ started(NOW - 90 * HOUR), ...many(511) ]), full = read([ started(NOW - 90 * HOUR), ...many(512) ]);

	assert.deepEqual([ few.known, few.full, full.known, full.full ], [ NOW - 90 * HOUR, false, NOW - 512 * MINUTE, true ]);
	assert.equal(read([ started(NOW - 90 * HOUR), ...Array.from({ length: 128 }, (_, i) => refused(NOW - (128 - i) * MINUTE)) ]).refusedKnown, NOW - 128 * MINUTE);
	assert.deepEqual(plot.limits(read([ started(NOW - 30 * HOUR) ]), day), []);
	assert.match(plot.limits(read([ started(NOW - 30 * HOUR) ]), week)[0], /^Nothing is known from before/);
	assert.match(plot.limits(full, week)[0], /too many visits/);
	assert.ok(Number.isNaN(read([]).known) && laid([]).unknown == null);
});

test('places in the picture are shares of the time', () => {
	const l = laid([ started(NOW - 12 * HOUR), expired(NOW - 6 * HOUR, NOW - 5 * HOUR) ], day, 1000);
	const hour = (l.right - l.left) / 24, [ bar ] = l.rows[0].bars;

	assert.ok(Math.abs(bar.x - (l.left + 18 * hour)) < .01 && Math.abs(bar.w - hour) < .01, JSON.stringify(bar));
	assert.ok(Math.abs(l.unknown - (l.left + 12 * hour)) < .01);
	assert.equal(laid([ started(NOW - 30 * HOUR) ]).unknown, null);
});

test('a visit from before the window begins at its edge, one of a second can be seen, one of the past is not there', () => {
	const l = laid([ expired(NOW - 30 * HOUR, NOW - 23 * HOUR), expired(NOW - HOUR, NOW - HOUR + 1000, { client: 'ben' }), expired(NOW - 40 * HOUR, NOW - 39 * HOUR) ]);

	assert.deepEqual(l.rows[0].bars.map(b => [ b.visits.length, b.x >= l.left, b.w >= 3 ]), [ [ 1, true, true ], [ 1, true, true ] ]);
	assert.equal(l.rows[0].bars[0].x, l.left);
});

test('visits that cannot be told apart are one bar, of one client each', () => {
	const list = [ 1, 2, 3 ].map(i => expired(NOW - 3 * HOUR + i * MINUTE, NOW - 3 * HOUR + i * MINUTE + 20000));

	assert.deepEqual(laid(list, week, 400).rows[0].bars.map(b => b.visits.length), [ 3 ]);
	assert.deepEqual(laid([ ...list, { ...list[2], client: 'ben' } ], week, 400).rows[0].bars.map(b => b.visits.length).sort(), [ 1, 3 ]);
});

// Every bar and label keeps off every other one, and within the picture.
function overlaps(l) {
	const out = [];

	l.rows.forEach(r => {
		const boxes = r.bars.flatMap(b => {
			const w = measure(b.who ?? '00');

			return [ [ b.x, b.x + b.w, b.y ], ...(b.label == 'behind' ? [ [ b.x + b.w, b.x + b.w + w, b.y ] ] : b.label == 'before' ? [ [ b.x - w, b.x, b.y ] ] : []) ];
		});

		boxes.forEach((a, i) => {
			if (a[0] < l.left - .01 || a[1] > l.width + .01 || a[2] < r.y || a[2] + 16 > r.y + r.height)
				out.push([ 'outside', r.name, a ]);
			boxes.slice(i + 1).forEach(b => a[2] == b[2] && a[0] < b[1] - .01 && b[0] < a[1] - .01 && out.push([ 'over each other', r.name, a, b ]));
		});
	});

	return out;
}

test('nothing covers anything, at any width, with few and with many', () => {
	let seed = 1;
	const roll = n => (seed = (seed * 48271) % 2147483647) % n;

	for (const count of [ 1, 5, 40, 700 ])
		for (const width of [ 200, 330, 640, 1250 ])
			for (const span of [ day, week ]) {
				const list = Array.from({ length: count }, () => {
					const from = NOW - roll(8 * 24 * 60) * MINUTE;

					return expired(from, Math.min(NOW, from + (1 + roll(300)) * MINUTE), { door: [ 'nas', 'web' ][roll(2)], client: [ 'anna', 'ben', 'a client with a long name', 'x', 'y', 'z' ][roll(6)] });
				}).sort((a, b) => Date.parse(a.time) - Date.parse(b.time));
				const l = laid(list, span, width);
				const shown = l.rows.flatMap(r => r.bars).reduce((n, b) => n + b.visits.length, 0);
				const wanted = read(list).visits.filter(v => v.to >= NOW - span).length;

				assert.deepEqual(overlaps(l).slice(0, 3), [], `${count} visits, ${width} px`);
				assert.equal(shown, wanted, 'each visit is in one bar');
			}
});

test('who is in now has a name beside its bar although that ends at the edge', () => {
	const s = { ...running, doors: [ { name: 'nas', title: 'NAS', grants: [ { address: '203.0.113.7', client: 'anna', knock: 'message stun', since: iso(NOW - 5 * MINUTE) } ] } ] };

	for (const width of [ 330, 1250 ])
		assert.equal(laid([ expired(NOW - 12 * HOUR, NOW - 11 * HOUR) ], day, width, s).rows[0].bars.at(-1).label, 'before', width + ' px');
});

test('names stand beside the picture where there is room, else above the bars', () => {
	const list = [ expired(NOW - HOUR, NOW - 30 * MINUTE) ];

	assert.ok(laid(list, day, 1000).left > 0);
	assert.equal(laid(list, day, 340).left, 0);
});

test('quiet doors are drawn if they are few, else named; doors that are gone and no door have rows', () => {
	const doors = n => ({ ...running, doors: Array.from({ length: n }, (_, i) => ({ name: 'd' + i, title: 'Door ' + i, grants: [] })) });
	const list = [ expired(NOW - HOUR, NOW - 30 * MINUTE, { door: 'd1' }), expired(NOW - HOUR, NOW - 30 * MINUTE, { door: 'gone' }), refused(NOW - HOUR) ];
	const rows = n => { const l = laid(list, day, 1000, doors(n)); return [ l.rows.map(r => r.name), l.quiet.length ]; };

	assert.deepEqual(rows(3), [ [ 'Door 0', 'Door 1', 'Door 2', 'gone', 'No door named' ], 0 ]);
	assert.deepEqual(rows(20), [ [ 'Door 1', 'gone', 'No door named' ], 19 ]);
});

test('lines are at whole hours and at midnights of the reader’s own time, also when clocks are put back', () => {
	const local = (l, f) => l.marks.map(m => new Date(m.at)[f]());

	assert.deepEqual(local(laid([], day, 1000), 'getHours').map(h => h % 3), Array(8).fill(0));
	assert.deepEqual(local(laid([], day, 340), 'getHours').map(h => h % 6), Array(4).fill(0));

	const autumn = Date.parse('2026-10-28T20:00:00Z'); // Berlin put its clocks back on the 25th
	const l = timeline.layout({ ...read([]), now: autumn }, [], week, 1000, measure);

	assert.deepEqual(local(l, 'getHours'), Array(7).fill(0));
	assert.deepEqual(local(l, 'getDate'), [ 22, 23, 24, 25, 26, 27, 28 ]);
});

test('without a date lines are counted back from now', () => {
	const l = laid([], day, 1000, { ...running, clock: 'free', clock_reason: 'unset' });

	assert.deepEqual(l.marks.map(m => (NOW - m.at) / HOUR), [ 24, 21, 18, 15, 12, 9, 6, 3 ]);
});

test('the sentence above the picture counts visits and refusals, and names who it was', () => {
	const say = list => plot.summary(plot.named(read(list), running, known).history, day);

	assert.equal(say([]), 'Nobody was in. No knock was refused.');
	assert.equal(say([ expired(NOW - HOUR, NOW - MINUTE), refused(NOW, { count: 4 }) ]), '1 visit, of Anna. 4 knocks were refused.');
	assert.equal(say([ 'a', 'b', 'c', 'd', 'e' ].map(client => expired(NOW - HOUR, NOW - MINUTE, { client }))), '5 visits, of a, b, c and 2 others. No knock was refused.');
	assert.match(say([ expired(NOW - HOUR, NOW - MINUTE, { client: '', knock: 'control' }), expired(NOW - HOUR, NOW - MINUTE, { client: '', knock: 'sequence home' }) ]), /The owner and Sequence “home”/);
});
