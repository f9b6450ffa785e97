// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.event as event';
'require latchkey.timeline as timeline';
'require latchkey.element as element';

// The picture of who was in when, its legend and its table. Needs only the DOM.

const E = element.make;
const S = element.shape;

const COLOURS = 8;  // as many as the style sheet has; those who come later share one
const ROWS = 300;   // of the table at the most
const LEGEND = 24;  // people in the legend
const NAMES = 3;    // of people in the sentence above the picture

// Whose visit it was, in one or a few words. known: as status.names makes it.
function who(v, known) {
	if (v.client)
		return known.clients[v.client] || v.client;

	const sequence = v.knock.match(/^sequence (.*)$/);

	if (sequence)
		return text.say(_('Sequence “{name}”'), { name: sequence[1] });

	return (v.knock == 'control') ? _('The owner') : _('Somebody');
}

// A history with names in it, and the rows of its picture: doors as they are configured, then those
// that are gone, then refusals that name none.
function named(history, status, known) {
	const doors = (status.doors || []).map(function(d) { return { id: d.name, name: d.title || d.name }; });
	const seen = doors.map(function(d) { return d.id; });
	const visits = history.visits.map(function(v) { return Object.assign({ who: who(v, known) }, v); });

	visits.concat(history.refusals).forEach(function(v) {
		if (v.door != '' && seen.indexOf(v.door) < 0) {
			seen.push(v.door);
			doors.push({ id: v.door, name: v.door });
		}
	});

	return { history: Object.assign({}, history, { visits: visits }), rows: doors.concat({ id: '', name: _('No door named') }) };
}

function format(form) {
	return new Intl.DateTimeFormat(text.locale(), form);
}

// A time in a sentence; how long ago it was where the router has no date.
function moment(history, t) {
	return history.unset ? text.ago((history.now - t) / 1000)
		: format({ weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' }).format(t);
}

function lasted(v) {
	const time = text.duration(Math.max(1, (v.to - v.from) / 1000));

	if (v.pending)
		return _('was let in, but waits for the firewall');
	switch (v.end) {
	case 'open':
		return text.say(_('is in, for {time} now'), { time: time });
	case 'lost':
		return text.say(_('was in for {time} at the most: Latchkey was not there to see the end'), { time: time });
	default:
		return text.say(_('was in for {time}'), { time: time });
	}
}

function visitSentence(history, v, door) {
	return text.say(_('{time}: {who} {lasted}, at {door}, from {address}.'), {
		time: moment(history, v.from), who: v.who, lasted: lasted(v), door: door, address: v.address });
}

function refusalSentence(history, r, known) {
	return moment(history, r.at) + ': ' + event.sentence(r.event, known).join('') + '. ' + event.refusal(r.event).what;
}

// What a bar or a tick tells: a sentence for one, how many there are for more.
function barSentence(history, bar, row) {
	const first = bar.visits[0], last = bar.visits[bar.visits.length - 1];

	if (bar.visits.length == 1)
		return visitSentence(history, first, row.name);

	return text.say(N_(bar.visits.length, '{n} visit of {who} at {door}: {from} to {to}.', '{n} visits of {who} at {door}: {from} to {to}.'), {
		n: bar.visits.length, who: (bar.who == null) ? text.list(people(bar.visits)) : bar.who, door: row.name,
		from: moment(history, first.from), to: moment(history, Math.max(last.from, last.to)) });
}

function total(refusals) {
	return refusals.reduce(function(n, r) { return n + r.count; }, 0);
}

function tickSentence(history, tick, row, known) {
	const n = total(tick.refusals);

	return (tick.refusals.length == 1) ? refusalSentence(history, tick.refusals[0], known)
		: text.say(N_(n, '{n} refused knock at {door}, {from} to {to}.', '{n} refused knocks at {door}, {from} to {to}.'), {
			n: n, door: row.name, from: moment(history, tick.refusals[0].at), to: moment(history, tick.refusals[tick.refusals.length - 1].at) });
}

// Names in the order in which they came.
function people(visits) {
	return visits.map(function(v) { return v.who; }).filter(function(w, i, all) { return all.indexOf(w) == i; });
}

// The numbers of their colours, the same in every picture of this history.
function colours(history) {
	const all = people(history.visits);

	return function(name) {
		const i = (name == null) ? -1 : all.indexOf(name);

		return (i < 0 || i >= COLOURS) ? 0 : i + 1;
	};
}

// What of a history lies within a span.
function within(history, span) {
	const from = history.now - span;

	return {
		visits: history.visits.filter(function(v) { return v.to >= from && v.from <= history.now; }),
		refusals: history.refusals.filter(function(r) { return r.at >= from && r.at <= history.now; })
	};
}

// The picture in words.
function summary(history, span) {
	const w = within(history, span);
	const all = people(w.visits), n = total(w.refusals);
	const refused = n ? text.say(N_(n, '{n} knock was refused.', '{n} knocks were refused.'), { n: n }) : _('No knock was refused.');

	return (w.visits.length ? text.say(N_(w.visits.length, '{n} visit, of {who}.', '{n} visits, of {who}.'), { n: w.visits.length, who: text.some(all, NAMES, _('{n} others')) })
		: _('Nobody was in.')) + ' ' + refused;
}

// What the picture does not know.
function limits(history, span) {
	const from = history.now - span;
	const hidden = within(history, span).refusals.reduce(function(n, r) { return n + r.hidden; }, 0);
	const out = [];

	if (history.unset)
		out.push(_('The router’s clock is not set yet: times are counted back from now.'));
	if (history.known > from)
		out.push(text.say(history.full ? _('There were too many visits to keep all: those that ended before {time} are forgotten.')
			: _('Nothing is known from before {time}: events are kept in memory, which a restart of the router empties.'),
		{ time: moment(history, history.known) }));
	if (history.refusedKnown > Math.max(from, history.known))
		out.push(text.say(_('Refused knocks are known since {time} only: there were too many to keep.'), { time: moment(history, history.refusedKnown) }));
	if (hidden)
		out.push(text.say(N_(hidden, '{n} more refused knock was only counted.', '{n} more refused knocks were only counted.'), { n: hidden }));

	return out;
}

// A text that fits into a width, cut at its end where it must be.
function fitting(words, width, measure) {
	const all = Array.from(text.shown(words));

	for (let n = all.length; n > 0; n--) {
		const t = all.slice(0, n).join('') + ((n < all.length) ? '…' : '');

		if (measure(t) <= width)
			return t;
	}

	return '';
}

function markLabel(history, t, span) {
	if (history.unset)
		return '−' + text.roughly((history.now - t) / 1000);

	return format((span > timeline.SPANS.day) ? { weekday: 'short', day: 'numeric' } : { hour: 'numeric', minute: '2-digit' }).format(t);
}

function grid(l, history, span) {
	return l.marks.map(function(m) {
		return S('g', [
			S('line', { 'class': 'lk-tl-line', 'x1': m.x, 'x2': m.x, 'y1': 0, 'y2': l.axis + 4 }),
			(m.x > 16 && m.x < l.right - 16) ? S('text', { 'class': 'lk-tl-mark', 'x': m.x, 'y': l.axis + 16, 'text-anchor': 'middle' }, [ markLabel(history, m.at, span) ]) : ''
		]);
	});
}

// Where a bar's label stands.
const LABELS = {
	'in': function(b) { return { 'class': 'lk-tl-in', 'x': b.x + 5 }; },
	behind: function(b) { return { 'x': b.x + b.w + 5 }; },
	before: function(b) { return { 'x': b.x - 5, 'text-anchor': 'end' }; }
};

function barNode(bar, row, ctx) {
	const name = (bar.who == null) ? String(people(bar.visits).length) : bar.who;

	return S('g', { 'class': 'lk-tl-visit lk-c' + ctx.colour(bar.who) + (bar.pending ? ' lk-tl-pending' : ''), 'data-say': barSentence(ctx.history, bar, row) }, [
		S('rect', { 'x': bar.x, 'y': bar.y, 'width': bar.w, 'height': bar.h, 'rx': Math.min(3, bar.w / 2) }),
		bar.label ? S('text', Object.assign({ 'y': bar.y + bar.h / 2, 'dominant-baseline': 'central' }, LABELS[bar.label](bar)), [ name ]) : ''
	]);
}

function tickNode(tick, row, l, ctx) {
	return S('g', { 'class': 'lk-tl-refused', 'data-say': tickSentence(ctx.history, tick, row, ctx.known) }, [
		S('rect', { 'class': 'lk-tl-touch', 'x': tick.x - 4, 'y': row.ticksY - 2, 'width': 8, 'height': l.strip + 4 }),
		S('rect', { 'x': tick.x - 1, 'y': row.ticksY, 'width': 2, 'height': l.strip })
	]);
}

function rowNode(row, l, ctx) {
	return S('g', [
		S('line', { 'class': 'lk-tl-row', 'x1': 0, 'x2': l.width, 'y1': row.y + row.height, 'y2': row.y + row.height }),
		S('text', { 'class': 'lk-tl-name', 'x': 0, 'y': row.nameY, 'dominant-baseline': 'central' },
			[ fitting(row.name, (l.left || l.width) - 8, ctx.measure) ])
	].concat(row.ticks.map(function(t) { return tickNode(t, row, l, ctx); }), row.bars.map(function(b) { return barNode(b, row, ctx); })));
}

const HATCH = 'lk-tl-hatch';

function unknownNode(l) {
	if (l.unknown == null)
		return '';

	return S('g', [
		S('defs', [ S('pattern', { 'id': HATCH, 'width': 7, 'height': 7, 'patternUnits': 'userSpaceOnUse', 'patternTransform': 'rotate(45)' },
			[ S('line', { 'class': 'lk-tl-line', 'x1': 0, 'x2': 0, 'y1': 0, 'y2': 7 }) ]) ]),
		S('rect', { 'x': l.left, 'y': 0, 'width': l.unknown - l.left, 'height': l.axis, 'fill': 'url(#' + HATCH + ')' })
	]);
}

// The picture. ctx: { history, rows, known, colour, measure, label }
function picture(ctx, span, width) {
	const l = timeline.layout(ctx.history, ctx.rows, span, width, ctx.measure);

	return {
		quiet: l.quiet,
		more: l.more,
		node: S('svg', { 'class': 'lk-tl', 'width': width, 'height': l.height, 'viewBox': '0 0 ' + width + ' ' + l.height, 'role': 'img', 'aria-label': ctx.label },
			[ unknownNode(l) ].concat(grid(l, ctx.history, span), [ S('line', { 'class': 'lk-tl-axis', 'x1': l.left, 'x2': l.right, 'y1': l.axis, 'y2': l.axis }) ],
				l.rows.map(function(r) { return rowNode(r, l, ctx); })))
	};
}

function legend(history, span, colour) {
	const w = within(history, span), all = people(w.visits);
	const rest = all.length - LEGEND;

	return E('ul', { 'class': 'lk-tl-legend' }, all.slice(0, LEGEND).map(function(name) {
		return E('li', [ E('i', { 'class': 'lk-c' + colour(name), 'aria-hidden': 'true' }), name ]);
	}).concat((rest > 0) ? E('li', [ text.say(N_(rest, 'and {n} more', 'and {n} more'), { n: rest }) ]) : [], w.refusals.length ? E('li', [ E('i', { 'class': 'lk-tl-tick', 'aria-hidden': 'true' }), _('refused knock') ]) : []));
}

function cells(list, tag) {
	return E('tr', list.map(function(c) { return E(tag, (tag == 'th') ? { 'scope': 'col' } : {}, [ c ]); }));
}

// The same as a table, newest first.
function table(ctx, span) {
	const w = within(ctx.history, span);
	const titles = {};

	ctx.rows.forEach(function(r) { titles[JSON.stringify(r.id)] = r.name; });

	const door = function(id) { return titles[JSON.stringify(id)]; };
	const all = w.visits.map(function(v) {
		return { at: v.from, cells: [ moment(ctx.history, v.from), v.who, lasted(v), door(v.door), v.address ] };
	}).concat(w.refusals.map(function(r) {
		return { at: r.at, cells: [ moment(ctx.history, r.at), who(r, ctx.known),
			text.say(_('was refused: {why}'), { why: event.refusal(r.event).what }), door(r.door), r.address ] };
	})).sort(function(a, b) { return b.at - a.at; });

	return E('div', [
		E('div', { 'class': 'lk-tl-table', 'tabindex': '0', 'role': 'region', 'aria-label': _('Visits and refused knocks') }, [
			E('table', [ E('thead', [ cells([ _('When'), _('Who'), _('What'), _('Door'), _('Address') ], 'th') ]),
				E('tbody', all.slice(0, ROWS).map(function(r) { return cells(r.cells, 'td'); })) ]) ]),
		(all.length > ROWS) ? E('p', [ text.say(_('The newest {n} of {all}.'), { n: ROWS, all: all.length }) ]) : ''
	]);
}

return baseclass.extend({
	named: named,
	colours: colours,
	summary: summary,
	limits: limits,
	picture: picture,
	legend: legend,
	table: table,
	within: within
});
