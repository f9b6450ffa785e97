// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.status as status';
'require latchkey.visits as visits';
'require latchkey.timeline as timeline';
'require latchkey.plot as plot';
'require latchkey.element as element';

// The part of the overview that shows who was in when: a switch, the picture, its legend and its table.

const E = element.make;

const STEPS = 700; // a picture is out of date when it would move by one of so many parts
const QUIET = 8;   // names of doors at which nothing happened
const HINT = 12;   // visits from which on a word on pointing at them helps

function put(node, children) {
	status.replace(node, [ children ].flat(Infinity).filter(Boolean));
}

// How wide a text is in the picture.
function ruler(node) {
	const c = document.createElement('canvas').getContext('2d');

	c.font = window.getComputedStyle(node).font || '13px sans-serif';

	return function(words) { return c.measureText(text.isolated(words)).width; };
}

// { node, update(status, events, now) }. now: of the router, in milliseconds.
function panel() {
	const said = E('p', { 'class': 'lk-tl-said' });
	const notes = E('div', { 'class': 'lk-tl-notes' });
	const place = E('div', { 'class': 'lk-tl-place', 'mouseover': point, 'click': point });
	const detail = E('p', { 'class': 'lk-tl-detail', 'aria-hidden': 'true' });
	const below = E('div');
	const table = E('details', { 'class': 'lk-tl-more', 'toggle': drawTable }, [ E('summary', [ _('As a table') ]), E('div') ]);
	const choice = E('div', { 'class': 'lk-tl-switch', 'role': 'group', 'aria-label': _('Time shown') },
		[ [ 'day', _('24 hours') ], [ 'week', _('7 days') ] ].map(function(c) {
			return E('button', { 'type': 'button', 'class': 'btn cbi-button', 'data-span': c[0], 'aria-pressed': String(c[0] == 'day'), 'click': function() { choose(c[0]); } }, [ c[1] ]);
		}));
	let span = timeline.SPANS.day, last = null, seen = null, width = 0;

	// What the pointer or a finger is at.
	function point(ev) {
		const bar = ev.target.closest('[data-say]');

		if (bar)
			element.say(detail, bar.getAttribute('data-say'));
	}

	function choose(name) {
		span = timeline.SPANS[name];
		choice.querySelectorAll('button').forEach(function(b) { b.setAttribute('aria-pressed', String(b.getAttribute('data-span') == name)); });
		draw();
	}

	function context() {
		const known = status.names(last.status);
		const n = plot.named(visits.read(last.status, last.events, last.now), last.status, known);

		return { history: n.history, rows: n.rows, known: known, colour: plot.colours(n.history), measure: ruler(place) };
	}

	function draw() {
		width = place.clientWidth;
		if (!last || !width)
			return;

		const ctx = context();

		ctx.label = plot.summary(ctx.history, span) + ' ' + _('The table below tells the same.');

		const p = plot.picture(ctx, span, width);

		element.say(said, plot.summary(ctx.history, span));
		put(place, p.node);
		element.say(detail, (plot.within(ctx.history, span).visits.length >= HINT) ? _('Point at a bar to see who it was.') : '');
		put(below, [ plot.legend(ctx.history, span, ctx.colour),
			p.quiet.length ? E('p', { 'class': 'lk-terms' }, [ text.say(N_(p.quiet.length, 'Nothing at {doors}.', 'Nothing at {doors}.'), { doors: text.some(p.quiet, QUIET, _('{n} others')) }) ]) : '',
			p.more ? E('p', { 'class': 'lk-terms' }, [ text.say(N_(p.more, '{n} more door is in the table only.', '{n} more doors are in the table only.'), { n: p.more }) ]) : '' ]);
		put(notes, plot.limits(ctx.history, span).map(function(n) { return E('p', [ n ]); }));
		drawTable();
	}

	// It may be long, so only who looks at it gets it.
	function drawTable() {
		if (table.open && last)
			put(table.lastChild, plot.table(context(), span));
	}

	new ResizeObserver(function() {
		if (place.clientWidth != width) // not the height, which the picture sets
			draw();
	}).observe(place);

	return {
		node: E('section', { 'class': 'lk-past' }, [
			E('div', { 'class': 'lk-head' }, [ E('h3', [ _('Who was in') ]), choice ]),
			said, place, detail, below, notes, table ]),
		update: function(answer, events, now) {
			const print = JSON.stringify([ status.fingerprint(answer, events), Math.floor(now / (span / STEPS)) ]);

			last = { status: answer, events: events, now: now };
			if (print != seen)
				draw();
			seen = print;
		}
	};
}

return baseclass.extend({ panel: panel });
