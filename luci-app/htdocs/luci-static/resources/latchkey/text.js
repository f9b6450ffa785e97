// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';

// Sentences with named places, so that a translator may move them: say(_('{client} opened {door}'), {...}).

function parts(template) {
	return template.split(/(\{[a-z_]+\})/);
}

function place(part) {
	return (/^\{[a-z_]+\}$/).test(part) ? part.slice(1, -1) : null;
}

// Characters that have no shape of their own and change how others look: controls, marks of direction,
// zero-width ones, halves of pairs.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const FSI = '\u2068', PDI = '\u2069'; // first strong isolate, pop directional isolate (Unicode, UAX 9)

// Places of isolates that are closed, as isolated() makes them. They cannot turn what stands around them.
function closedIsolates(s) {
	const open = [], closed = {};

	for (let i = 0; i < s.length; i++) {
		if (s.charAt(i) == FSI)
			open.push(i);
		else if (s.charAt(i) == PDI && open.length)
			closed[i] = closed[open.pop()] = true;
	}

	return closed;
}

// A text of others, with a visible sign for each character that cannot be seen: "a[U+202E]b".
function shown(value) {
	const s = String(value);
	const closed = closedIsolates(s);

	return s.replace(UNSEEN, function(c, at) {
		return (c == '\n' || c == '\t' || closed[at]) ? c
			: '[U+' + c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0') + ']';
	});
}

// Letters of scripts that are written from right to left.
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

// The same for a place in a sentence: what is written from right to left does not turn its neighbours.
// A part that is isolated already needs it no more.
function isolated(value) {
	const s = shown(value);
	let depth = 0;
	const own = Array.from(s).filter(function(c) {
		depth += (c == FSI) - (c == PDI);

		return depth == 0;
	}).join('');

	return RIGHT_TO_LEFT.test(own) ? FSI + s + PDI : s;
}

// The sentence as text.
function say(template, values) {
	return parts(template).map(function(part) {
		const name = place(part);

		return (name != null && values[name] != null) ? isolated(values[name]) : part;
	}).join('');
}

// The sentence as a list of texts and nodes, for E('p', rich(...)). Values may be nodes or lists.
function rich(template, values) {
	return [].concat.apply([], parts(template).filter(function(part) {
		return part != '';
	}).map(function(part) {
		const name = place(part);

		if (name == null || values[name] == null)
			return part;

		return (typeof(values[name]) == 'object') ? values[name] : isolated(values[name]);
	}));
}

const UNITS = [
	[ 365 * 86400, function(n) { return N_(n, '{n} year', '{n} years'); } ],
	[ 86400, function(n) { return N_(n, '{n} day', '{n} days'); } ],
	[ 3600, function(n) { return N_(n, '{n} hour', '{n} hours'); } ],
	[ 60, function(n) { return N_(n, '{n} minute', '{n} minutes'); } ],
	[ 1, function(n) { return N_(n, '{n} second', '{n} seconds'); } ]
];

// "8 hours", "1 hour 30 minutes": the two largest units that are not zero.
function duration(seconds) {
	let left = Math.max(0, Math.round(seconds));
	const words = [];

	for (let i = 0; i < UNITS.length; i++) {
		const n = Math.floor(left / UNITS[i][0]);

		if (n > 0 && words.length < 2)
			words.push(say(UNITS[i][1](n), { n: n }));
		left -= n * UNITS[i][0];
		if (words.length && (n == 0 || i == 0)) // years are enough alone
			break;
	}

	return words.length ? words.join(' ') : say(UNITS[UNITS.length - 1][1](0), { n: 0 });
}

// One unit only, for "9 minutes ahead".
function roughly(seconds) {
	const s = Math.abs(seconds);
	const unit = UNITS.find(function(u) { return s >= u[0]; }) || UNITS[UNITS.length - 1];
	const n = Math.round(s / unit[0]);

	return say(unit[1](n), { n: n });
}

function pad(n) {
	return (n < 10 ? '0' : '') + n;
}

// "9:41" or "7:59:12", for a countdown.
function countdown(seconds) {
	const s = Math.max(0, Math.ceil(seconds));
	const h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;

	return h ? h + ':' + pad(m) + ':' + pad(s % 60) : m + ':' + pad(s % 60);
}

// The same in the form of ISO 8601, for <time datetime>.
function isoDuration(seconds) {
	return 'PT' + Math.max(0, Math.ceil(seconds)) + 'S';
}

function ago(seconds) {
	return (seconds < 5) ? _('just now') : say(_('{time} ago'), { time: roughly(seconds) });
}

// The page's language for dates; LuCI may write it zh_cn. Undefined is the browser's own.
function locale() {
	const lang = document.documentElement.lang.replace('_', '-');

	try {
		return Intl.getCanonicalLocales(lang)[0];
	}
	catch (err) {
		return undefined;
	}
}

// "a", "a and b", "a, b and c"
function list(items) {
	if (items.length < 2)
		return items.join('');

	return say(_('{list} and {last}', 'end of a list of names'), {
		list: items.slice(0, -1).reduce(function(all, item) {
			return say(_('{list}, {next}', 'list of names'), { list: all, next: item });
		}),
		last: items[items.length - 1]
	});
}

// The same of names of which there may be very many: at most so many, and how many there are beside, for which others
// is the sentence. n is how many there are in all, if names has the first ones only.
function some(names, most, others, n) {
	const all = n || names.length;

	return list((all > most + 1) ? names.slice(0, most).concat(say(others, { n: all - most })) : names);
}

return baseclass.extend({
	say: say,
	rich: rich,
	shown: shown,
	isolated: isolated,
	duration: duration,
	roughly: roughly,
	countdown: countdown,
	isoDuration: isoDuration,
	ago: ago,
	locale: locale,
	list: list,
	some: some
});
