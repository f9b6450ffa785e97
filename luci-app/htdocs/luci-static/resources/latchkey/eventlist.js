// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.event as event';
'require latchkey.element as element';

// The list of events, newest first, under the days on which they were. Needs only the DOM.

const E = element.make;

const unfolded = {}; // by number of the oldest event: what the reader has opened

function format(form, t) {
	return new Intl.DateTimeFormat(text.locale(), form).format(t);
}

// The calendar day as the reader calls it. now: of the router.
function dayOf(time, now) {
	const t = new Date(time), today = new Date(now);
	const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
	const form = { weekday: 'long', day: 'numeric', month: 'long' };

	if (t.toDateString() == today.toDateString())
		return _('Today');
	if (t.toDateString() == yesterday.toDateString())
		return _('Yesterday');
	if (t.getFullYear() != today.getFullYear())
		form.year = 'numeric'; // a router without a clock has a year of its own

	return format(form, t);
}

function clock(time) {
	return format({ hour: '2-digit', minute: '2-digit', second: '2-digit' }, new Date(time));
}

// When an event was: the time of day, or how long ago where the router has no date.
function when(e, ctx) {
	const ago = text.ago((new Date(ctx.now) - new Date(e.time)) / 1000);

	return E('time', { 'datetime': e.time, 'title': ctx.unset ? null : ago }, [ ctx.unset ? ago : clock(e.time) ]);
}

function row(e, ctx) {
	const notes = event.notes(e);
	const way = (e.knock != 'control' && [ 'refused', 'inside', 'opened', 'extended' ].indexOf(e.kind) >= 0) ? event.how(e.knock, e.also) : '';

	return E('li', { 'class': 'lk-event lk-tone-' + event.tone(e), 'data-number': String(e.number) }, [
		when(e, ctx),
		E('span', { 'class': 'lk-badge lk-' + event.tone(e) }, [ event.outcome(e) ]),
		E('div', { 'class': 'lk-what' }, [
			E('div', [].concat(event.sentence(e, ctx.names, function(kind, value) {
				return E((kind == 'address') ? 'code' : 'strong', [ value ]);
			}), way ? [ E('small', [ ' · ' + way ]) ] : [])),
			notes.length ? E('div', { 'class': 'lk-notes' }, notes.map(function(n) { return E('p', [ n ]); })) : ''
		])
	]);
}

// "loaded, waiting, ready (2)": what a fold holds, in the order of time.
function kinds(events) {
	const count = {};
	const words = events.map(event.outcome).filter(function(w) {
		count[w] = (count[w] || 0) + 1;

		return count[w] == 1;
	});

	return words.map(function(w) { return (count[w] > 1) ? w + ' (' + count[w] + ')' : w; }).join(', ');
}

// Events of the system in a row, newest first, behind one line.
function fold(events, ctx) {
	const key = String(events[events.length - 1].number);
	const node = E('details', { 'toggle': function() { unfolded[key] = node.open; } }, [
		E('summary', [ when(events[0], ctx), ' ', E('span', { 'class': 'lk-badge lk-quiet' }, [ _('system') ]), ' ',
			E('span', [ kinds(events.slice().reverse()) ]) ]),
		E('ol', { 'class': 'lk-events' }, events.map(function(e) { return row(e, ctx); }))
	]);

	node.open = !!unfolded[key];

	return E('li', { 'class': 'lk-fold' }, [ node ]);
}

// The events of one day, those of the system in a row as one.
function rows(events, ctx) {
	const out = [];

	for (let i = 0, end = 0; i < events.length; i = end) {
		for (end = i; ctx.folds && end < events.length && event.isNoise(events[end]); end++);
		if (end - i > 1)
			out.push(fold(events.slice(i, end), ctx));
		else
			out.push(row(events[i], ctx));
		end = Math.max(end, i + 1);
	}

	return out;
}

// events: oldest first. ctx: { names, now, unset, folds, empty, level } with names as in status.names, now
// of the router, unset if it has no date, folds if messages of the system become one line, empty to say
// if there is none, level of the headings of days, such as 'h4'.
function list(events, ctx) {
	const days = [];

	if (!events.length)
		return E('p', { 'class': 'lk-empty' }, [ ctx.empty ]);
	events.slice().reverse().forEach(function(e) {
		const day = ctx.unset ? '' : dayOf(e.time, ctx.now);

		if (!days.length || days[days.length - 1].day != day)
			days.push({ day: day, events: [] });
		days[days.length - 1].events.push(e);
	});

	return E('div', days.map(function(d) {
		return [ d.day ? E(ctx.level, { 'class': 'lk-day' }, [ d.day ]) : '', E('ol', { 'class': 'lk-events' }, rows(d.events, ctx)) ];
	}));
}

return baseclass.extend({ list: list });
