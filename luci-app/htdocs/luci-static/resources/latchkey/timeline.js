// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';

// Where everything in the picture of visits stands. Pure: times in, places in pixels out.

const SIDE = 640;   // from this width on, names of doors stand beside the plot, else above
const GUTTER = 150; // their room there
const EDGE = 10;    // room at the right, for the bar of who is in now
const LANE = 16, GAP = 3, PAD = 7, NAME = 17, STRIP = 9, AXIS = 20;
const LANES = 4;    // bars above each other in one row at the most; what is more is drawn as one
const LEAST = 3;    // no bar is narrower
const NEAR = 2;     // bars of one client that are nearer become one
const LABEL = 5;    // between a bar and its label
const ROWS = 24;    // doors that are drawn: those at which something happened last
const QUIET = 5;    // up to so many doors are drawn although nothing happened at them

const HOUR = 3600000, DAY = 24 * HOUR;

const SPANS = { day: DAY, week: 7 * DAY };

// Local times at which the plot has lines: whole hours of a day, or midnights.
function marks(from, to, span, width) {
	const step = (span > DAY) ? 24 : (width < 480) ? 6 : 3;
	const t = new Date(from);
	const out = [];

	t.setHours(0, 0, 0, 0);
	while (t.getTime() <= to) {
		if (t.getTime() >= from)
			out.push(t.getTime());
		if (step == 24)
			t.setDate(t.getDate() + 1); // days of 23 and 25 hours, too
		else
			t.setHours(t.getHours() + step);
	}

	return out;
}

// The same while the router has no date: whole hours or days before now.
function marksBefore(from, to, span, width) {
	const step = ((span > DAY) ? DAY : 3 * HOUR) * (width < 480 ? 2 : 1);
	const out = [];

	for (let t = to - step; t >= from; t -= step)
		out.unshift(t);

	return out;
}

// Bars of one row from its visits: those of one client that cannot be told apart at this scale are one.
function barsOf(visits, x, right) {
	const last = {};
	const out = [];

	visits.forEach(function(v) {
		const left = x(v.from);
		const end = Math.min(right, Math.max(x(v.to), left + LEAST));
		const key = JSON.stringify([ v.who, v.pending ]);
		const before = last[key];

		if (before && left - (before.x + before.w) < NEAR) {
			before.w = Math.max(before.x + before.w, end) - before.x;
			before.visits.push(v);
		}
		else {
			last[key] = { x: Math.min(left, right - LEAST), w: Math.max(LEAST, end - left), who: v.who, pending: v.pending, visits: [ v ] };
			out.push(last[key]);
		}
	});

	return out;
}

// Puts bars into lanes so that none covers another; room(bar) is what one takes with its label: [ left,
// right ]. Behind a bar of the same client it needs none. Returns how many lanes that took.
function pack(bars, room) {
	const lanes = [];

	bars.forEach(function(b) {
		const bare = [ b.x, b.x + b.w ];
		const need = function(l) { return (l.who === b.who) ? bare : room(b); };
		let n = lanes.findIndex(function(l) { return l.end <= need(l)[0]; });

		if (n < 0)
			n = lanes.push({ who: null, end: 0 }) - 1;
		lanes[n].end = need(lanes[n])[1] + GAP;
		lanes[n].who = b.who;
		b.lane = n;
	});

	return lanes.length;
}

// What does not fit into the lanes becomes one bar of several in the last one.
function squeeze(bars) {
	const out = [];
	let many = null;

	bars.forEach(function(b) {
		if (b.lane < LANES - 1) {
			out.push(b);
		}
		else if (many && b.x <= many.x + many.w + GAP) {
			many.w = Math.max(many.x + many.w, b.x + b.w) - many.x;
			many.visits = many.visits.concat(b.visits);
			many.who = (many.who == b.who) ? b.who : null;
			many.pending = many.pending && b.pending;
		}
		else {
			many = b;
			b.lane = LANES - 1;
			out.push(b);
		}
	});

	return out;
}

// Labels: in the bar, behind it, or before it, where there is room. In a run of one client only the
// first has one, and who is in now.
function label(bars, text, left, right) {
	const lanes = {};

	bars.forEach(function(b) { (lanes[b.lane] = lanes[b.lane] || []).push(b); });
	Object.keys(lanes).forEach(function(k) {
		let said = null, free = left;

		lanes[k].forEach(function(b, i, all) {
			const next = (i + 1 < all.length) ? all[i + 1].x : right;
			const width = text(b) + 2 * LABEL, end = b.x + b.w;
			const wanted = b.who !== said || b.visits.some(function(v) { return v.end == 'open'; });

			if (width <= b.w)
				b.label = 'in';
			else if (wanted && width <= next - end)
				b.label = 'behind';
			else if (wanted && width <= b.x - free)
				b.label = 'before';
			said = b.label ? b.who : said;
			free = end + ((b.label == 'behind') ? width : 0);
		});
	});
}

// The room of a bar with its label.
function withLabel(b, text, right) {
	const width = text(b) + 2 * LABEL, end = b.x + b.w;

	if (width <= b.w)
		return [ b.x, end ];

	return (end + width <= right) ? [ b.x, end + width ] : [ b.x - width, end ];
}

// The bars of a row in lanes, with labels if that takes no more lanes than there may be.
function arrange(bars, text, left, right) {
	let lanes = pack(bars, function(b) { return withLabel(b, text, right); });

	if (lanes > LANES)
		lanes = pack(bars, function(b) { return [ b.x, b.x + b.w ]; });

	const out = (lanes > LANES) ? squeeze(bars) : bars;

	label(out, text, left, right);

	return { bars: out, lanes: Math.max(1, Math.min(LANES, lanes)) };
}

// Refusals that cannot be told apart at this scale are one tick.
function ticksOf(refusals, x) {
	const out = [];

	refusals.forEach(function(r) {
		const at = x(r.at);
		const before = out[out.length - 1];

		if (before && at - before.x < LEAST)
			before.refusals.push(r);
		else
			out.push({ x: at, refusals: [ r ] });
	});

	return out;
}

// history: as visits.read makes it, with a name in each visit's who. rows: [{ id, name }], in order; an id
// of '' is for refusals that name no door. measure(text) returns the width of a label.
// Returns { width, height, left, right, axis, marks: [{ x, at }], unknown: x or null, rows: [{ id, name,
// y, height, nameY, bars, ticks, ticksY, laneY }], quiet: [names], more: how many doors too many }.
function layout(history, rows, span, width, measure) {
	const from = history.now - span, to = history.now;
	const left = (width >= SIDE) ? GUTTER : 0, right = Math.max(left + 1, width - EDGE);
	const x = function(t) { return left + (right - left) * Math.min(1, Math.max(0, (t - from) / span)); };
	const text = function(b) { return (b.who == null) ? measure('00') : measure(b.who); };
	const within = rows.map(function(r) {
		return {
			id: r.id, name: r.name,
			visits: history.visits.filter(function(v) { return v.door == r.id && v.to >= from && v.from <= to; }),
			refusals: history.refusals.filter(function(f) { return f.door == r.id && f.at >= from && f.at <= to; })
		};
	});
	const busy = function(r) { return r.visits.length + r.refusals.length > 0; };
	const all = within.filter(function(r) { return r.id != ''; }).length <= QUIET;
	let y = 0;

	const latest = function(r) { return r.visits.concat(r.refusals).reduce(function(t, v) { return Math.max(t, v.to || v.at); }, 0); };
	const wanted = within.filter(function(r) { return busy(r) || all && r.id != ''; });
	const newest = wanted.filter(function(r) { return r.id != ''; }).sort(function(a, b) { return latest(b) - latest(a); }).slice(0, ROWS);

	const drawn = wanted.filter(function(r) { return r.id == '' || newest.indexOf(r) >= 0; }).map(function(r) {
		const a = arrange(barsOf(r.visits, x, right), text, left, width);
		const ticks = ticksOf(r.refusals, x);
		const name = left ? 0 : NAME;
		const lanes = (r.id == '' || !r.visits.length && ticks.length) ? 0 : a.lanes;
		const row = {
			id: r.id, name: r.name, y: y, bars: a.bars, ticks: ticks,
			nameY: y + PAD + (left ? Math.max(LANE, lanes * (LANE + GAP) + (ticks.length ? STRIP : 0)) / 2 : NAME / 2),
			height: PAD + name + lanes * (LANE + GAP) + (ticks.length ? STRIP : 0) + PAD
		};

		row.height = Math.max(row.height, 2 * PAD + (left ? LANE : 0));
		row.bars.forEach(function(b) {
			b.y = y + PAD + name + b.lane * (LANE + GAP);
			b.h = LANE;
		});
		row.ticksY = y + PAD + name + lanes * (LANE + GAP);
		if (!lanes && left)
			row.ticksY += (LANE - STRIP) / 2;
		y += row.height;

		return row;
	});
	const known = Math.max(from, Math.min(to, history.known));

	return {
		width: width, height: y + AXIS, left: left, right: right, axis: y,
		marks: (history.unset ? marksBefore : marks)(from, to, span, width).map(function(t) { return { x: x(t), at: t }; }),
		unknown: (known > from) ? x(known) : null, // NaN, nothing is known at all, gives null here, too
		rows: drawn,
		more: wanted.length - drawn.length,
		quiet: within.filter(function(r) { return r.id != '' && !busy(r) && !all; }).map(function(r) { return r.name; }),
		strip: STRIP - 2
	};
}

return baseclass.extend({
	SPANS: SPANS,
	layout: layout
});
