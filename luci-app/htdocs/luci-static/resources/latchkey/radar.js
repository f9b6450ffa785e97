// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.element as element';

// What strangers tried at closed ports: a picture of the week by hours, the services, the senders. Needs only
// the DOM.

const E = element.make;
const S = element.shape;

const HOUR = 3600000, DAY = 24 * HOUR, WEEK = 7 * DAY;
const HEIGHT = 150, LEFT = 48, RIGHT = 4, TOP = 10, AXIS = 22;
const DAYS_APART = 56; // pixels between two names of days at least
const PORTS = 15, SENDERS = 25;

function number(n) {
	return new Intl.NumberFormat(text.locale()).format(n);
}

function format(form, t) {
	return new Intl.DateTimeFormat(text.locale(), form).format(t);
}

function moment(t) {
	return format({ weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' }, new Date(t));
}

function total(hours) {
	return hours.reduce(function(n, h) { return n + h.tcp + h.udp; }, 0);
}

// A count that may be an estimate, see error().
function count(n, samples) {
	return (samples < n) ? text.say(_('about {n}', 'an estimated number'), { n: number(n) }) : number(n);
}

// The relative standard error of an estimate, in per cent; 0 where everything was looked at.
function error(n, samples) {
	return (samples < n) ? Math.min(100, Math.ceil(100 / Math.sqrt(Math.max(1, samples)))) : 0;
}

// The hours of the last span.
function since(radar, span) {
	const from = Date.parse(radar.now) - span;

	return radar.hours.filter(function(h) { return Date.parse(h.time) + HOUR > from; });
}

function summary(radar) {
	return text.say(_('{hour} attempts in this hour, {day} in 24 hours, {week} in 7 days.'), {
		hour: number(total(radar.hours.slice(-1))), day: number(total(since(radar, DAY))), week: number(total(since(radar, WEEK))) });
}

// What the picture does not know.
function notes(radar) {
	const out = [], begin = Date.parse((radar.hours[0] || {}).time || radar.now);
	const worst = radar.hours.reduce(function(most, h) { return Math.max(most, error(h.tcp + h.udp, h.samples)); }, 0);

	out.push(_('Each line of the picture stands for ten times as many as the one below it.'));
	if (radar.problem)
		out.push(text.say(_('Not everything is seen: {problem}'), { problem: radar.problem }));
	if (Date.parse(radar.now) - begin < WEEK - HOUR)
		out.push(text.say(_('Nothing is known from before {time}: attempts are counted in memory, which a restart of Latchkey empties.'), { time: moment(begin) }));
	if (worst > 0)
		out.push(text.say(_('Where much came, only a part was looked at: those numbers are estimates, by up to {error} % off.'), { error: number(2 * worst) }));

	return out;
}

// The height of a count: each line of the picture is ten times the one below it, so that a flood hides
// nothing. 0 is no bar, 1 a low one.
function level(n, most) {
	return (n > 0) ? Math.log10(1 + n) / Math.log10(1 + most) : 0;
}

// Powers of ten up to the first one that is not less than n, at least 10.
function lines(n) {
	const out = [ 1, 10 ];

	while (out[out.length - 1] < n)
		out.push(out[out.length - 1] * 10);

	return out;
}

// Local midnights between two times.
function midnights(from, to) {
	const t = new Date(from), out = [];

	t.setHours(0, 0, 0, 0);
	for (t.setDate(t.getDate() + 1); t.getTime() < to; t.setDate(t.getDate() + 1)) // days of 23 and 25 hours, too
		out.push(t.getTime());

	return out;
}

function hourSentence(h) {
	return text.say(_('{from} to {to}: {n} attempts, {tcp} over TCP, {udp} over UDP.'), {
		from: moment(h.time), to: format({ hour: '2-digit', minute: '2-digit' }, new Date(Date.parse(h.time) + HOUR)),
		n: count(h.tcp + h.udp, h.samples), tcp: number(h.tcp), udp: number(h.udp) });
}

// The week by hours. One bar is one hour; its place is that of its time, so that gaps are gaps.
function picture(radar, width) {
	const now = Date.parse(radar.now), from = now - WEEK;
	const plot = width - LEFT - RIGHT, bottom = TOP + HEIGHT;
	const x = function(t) { return LEFT + plot * (t - from) / WEEK; };
	const most = radar.hours.reduce(function(n, h) { return Math.max(n, h.tcp + h.udp); }, 0);
	const marks = lines(most), y = function(n) { return bottom - HEIGHT * level(n, marks[marks.length - 1]); };
	const step = Math.max(1, Math.ceil(DAYS_APART / (plot / 7)));
	const known = Math.max(LEFT, x(Date.parse((radar.hours[0] || {}).time || radar.now)));

	return S('svg', { 'class': 'lk-tl lk-radar', 'width': width, 'height': bottom + AXIS, 'viewBox': '0 0 ' + width + ' ' + (bottom + AXIS),
		'role': 'img', 'aria-label': summary(radar) + ' ' + _('The table below tells the same.') }, [
		marks.map(function(n) {
			return S('g', [ S('line', { 'class': 'lk-tl-line', 'x1': LEFT, 'x2': width - RIGHT, 'y1': y(n), 'y2': y(n) }),
				S('text', { 'class': 'lk-tl-mark', 'x': LEFT - 6, 'y': y(n), 'text-anchor': 'end', 'dominant-baseline': 'central' },
					[ new Intl.NumberFormat(text.locale(), { notation: 'compact' }).format(n) ]) ]);
		}),
		midnights(from, now).map(function(t, i) {
			return S('g', [ S('line', { 'class': 'lk-tl-line', 'x1': x(t), 'x2': x(t), 'y1': TOP, 'y2': bottom + 4 }),
				(i % step == 0 && x(t) < width - 24) ? S('text', { 'class': 'lk-tl-mark', 'x': x(t), 'y': bottom + 16, 'text-anchor': 'middle' },
					[ format({ weekday: 'short', day: 'numeric' }, new Date(t)) ]) : '' ]);
		}),
		(known > LEFT + 1) ? S('rect', { 'class': 'lk-radar-unknown', 'x': LEFT, 'y': TOP, 'width': known - LEFT, 'height': HEIGHT }) : '',
		S('line', { 'class': 'lk-tl-axis', 'x1': LEFT, 'x2': width - RIGHT, 'y1': bottom, 'y2': bottom }),
		since(radar, WEEK).map(function(h) {
			const left = Math.max(LEFT, x(Date.parse(h.time))), right = Math.min(width - RIGHT, x(Date.parse(h.time) + HOUR));
			const top = y(h.tcp + h.udp);

			return S('g', { 'class': 'lk-radar-hour', 'data-say': hourSentence(h) }, [
				S('rect', { 'class': 'lk-tl-touch', 'x': left, 'y': TOP, 'width': Math.max(0, right - left), 'height': HEIGHT }),
				S('rect', { 'x': left, 'y': top, 'width': Math.max(1, right - left - 0.5), 'height': bottom - top }) ]);
		})
	]);
}

function cells(tag, list) {
	return E('tr', list.map(function(c) { return E(tag, (tag == 'th') ? { 'scope': 'col' } : {}, [ c ]); }));
}

function table(name, label, heads, rows) {
	return E('div', { 'class': 'lk-tl-table ' + name, 'tabindex': '0', 'role': 'region', 'aria-label': label }, [
		E('table', [ E('thead', [ cells('th', heads) ]), E('tbody', rows.map(function(r) { return cells('td', r); })) ]) ]);
}

// The same by days, the newest first.
function days(radar) {
	const all = [];

	since(radar, WEEK).forEach(function(h) {
		const name = format({ weekday: 'short', day: 'numeric', month: 'short' }, new Date(h.time));

		if (!all.length || all[0].name != name)
			all.unshift({ name: name, tcp: 0, udp: 0 });
		all[0].tcp += h.tcp;
		all[0].udp += h.udp;
	});

	return table('lk-radar-days', _('Attempts by days'), [ _('Day'), _('Over TCP'), _('Over UDP') ],
		all.map(function(d) { return [ d.name, number(d.tcp), number(d.udp) ]; }));
}

// Services, each with a bar, and what is left of the rest.
function services(radar) {
	const shown = radar.ports.slice(0, PORTS);
	const rest = radar.ports.slice(PORTS).reduce(function(n, p) { return n + p.attempts; }, 0);
	const most = shown.reduce(function(n, p) { return Math.max(n, p.attempts); }, 1);

	return E('div', [
		shown.length ? E('ul', { 'class': 'lk-radar-ports' }, shown.map(function(p) {
			return E('li', [ E('span', { 'class': 'lk-radar-port' }, [ E('strong', [ p.service ]), ' ', E('small', [ p.port + '/' + p.proto ]) ]),
				E('span', { 'class': 'lk-radar-bar', 'aria-hidden': 'true' }, [ E('i', { 'style': 'width: ' + (100 * p.attempts / most) + '%' }) ]),
				E('span', { 'class': 'lk-radar-number' }, [ number(p.attempts) ]) ]);
		})) : '',
		(radar.others + rest > 0) ? E('p', { 'class': 'lk-terms' }, [ text.say(_('{n} attempts at other ports.'), { n: number(radar.others + rest) }) ]) : '',
		E('p', { 'class': 'lk-terms' }, [ _('Other ports are not named: the steps of your own knocks may be among them.') ])
	]);
}

function portsOf(s) {
	return (s.ports_at_most > s.ports) ? text.say(_('{least} to {most}'), { least: number(s.ports), most: number(s.ports_at_most) }) : number(s.ports);
}

function senders(radar) {
	return radar.senders.length ? table('lk-radar-senders', _('Most active senders'), [ _('Sender'), _('Attempts'), _('Ports'), _('When') ],
		radar.senders.slice(0, SENDERS).map(function(s) {
			return [ [ E('code', [ s.address ]), s.scan ? [ ' ', E('span', { 'class': 'lk-badge lk-warn' }, [ _('scan') ]) ] : '' ],
				count(s.attempts, s.samples), portsOf(s),
				(s.first == s.last) ? moment(s.last) : text.say(_('{first} to {last}, in {hours}'), { first: moment(s.first), last: moment(s.last),
					hours: text.say(N_(s.hours, '{n} hour', '{n} hours'), { n: s.hours }) }) ];
		})) : E('p', { 'class': 'lk-empty' }, [ _('Nobody has tried a closed port yet.') ]);
}

return baseclass.extend({
	HOUR: HOUR,
	level: level,
	lines: lines,
	midnights: midnights,
	error: error,
	summary: summary,
	notes: notes,
	picture: picture,
	days: days,
	services: services,
	senders: senders
});
