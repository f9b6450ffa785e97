// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.sequence as sequence';
'require latchkey.door as door';
'require latchkey.rules as rules';

// Validators with the daemon's limits: each returns true or a sentence.

// The daemon's rule for titles (strconv.IsPrint): letters, marks, numbers, punctuation, symbols, and
// the common space.
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$/u;

const UNIT = { s: 1, m: 60, h: 3600 };

// Seconds of "30s", "10m", "8h", "1h30m"; null if it is no duration.
function seconds(value) {
	const v = String(value);

	if (!(/^(\d+[smh])+$/).test(v))
		return null;

	return v.match(/\d+[smh]/g).reduce(function(sum, part) {
		return sum + parseInt(part, 10) * UNIT[part.slice(-1)];
	}, 0);
}

function durationIn(value, limits) {
	const s = seconds(value);

	if (s == null)
		return _('Write a time such as 30s, 10m or 8h.');
	if (s < limits[0] || s > limits[1])
		return text.say(_('Must be from {least} to {most}.'), {
			least: text.duration(limits[0]), most: text.duration(limits[1]) });

	return true;
}

function openFor(value) {
	return durationIn(value, rules.OPEN_FOR);
}

function maxOpen(value, openForValue) {
	const ok = durationIn(value, rules.OPEN_FOR);

	if (ok !== true)
		return ok;
	if (seconds(openForValue) > seconds(value))
		return _('Must not be shorter than the usual time.');

	return true;
}

function bitsIn(value, limits) {
	return ((/^[1-9]\d*$/).test(value) && +value >= limits[0] && +value <= limits[1])
		|| text.say(_('Must be from {least} to {most}.'), { least: limits[0], most: limits[1] });
}

function width4(value) {
	return bitsIn(value, rules.WIDTH4);
}

function width6(value) {
	return bitsIn(value, rules.WIDTH6);
}

function within(value) {
	return durationIn(value, rules.WITHIN);
}

function maxSkew(value) {
	return durationIn(value, rules.SKEW);
}

function name(value) {
	if (!(/^[a-z0-9_]+$/i).test(value))
		return _('Use letters without accents, digits and underscores only.');
	if (value.length > rules.NAME)
		return text.say(_('At most {n} characters.'), { n: rules.NAME });

	return true;
}

function title(value) {
	if (new Blob([ value ]).size > rules.TITLE)
		return text.say(_('Too long: at most {n} bytes, where é has 2 and 门 has 3.'), { n: rules.TITLE });
	if (!PRINTABLE.test(value))
		return _('Leave out characters that cannot be seen: controls, marks of direction, characters of no width, unusual spaces.');

	return true;
}

function port(value) {
	if (!(/^[1-9]\d{0,4}$/).test(value) || +value > 65535)
		return _('Write a port number from 1 to 65535.');

	return true;
}

// What option stun_port is set to, each port once.
function stunWords(value) {
	return value.split(/\s+/).filter(Boolean).filter(function(w, i, all) { return all.indexOf(w) == i; });
}

// The ports of UDP knocks; 0 alone switches them off.
function stunPorts(value) {
	const words = stunWords(value);
	const wrong = words.join() == '0' ? null : words.map(port).find(function(ok) { return ok !== true; });

	if (wrong)
		return wrong;

	return (words.length > rules.STUN_PORTS) ? text.say(_('At most {n} ports.'), { n: rules.STUN_PORTS }) : true;
}

// One port, or a range of them.
function isPorts(value) {
	const r = door.portRange(value);

	return (/^[1-9]\d{0,4}(-[1-9]\d{0,4})?$/).test(value) && r[0] <= r[1] && r[1] <= 65535;
}

// The ports of a door, outside. proto is of those that do not say it.
function doorPorts(value, proto) {
	const words = value.split(/\s+/).filter(Boolean);

	if (!words.length || !words.every(function(w) { return isPorts(w.replace(/\/(tcp|udp)$/, '')); }))
		return _('Write ports from 1 to 65535, such as 443 or 22 60000-61000/udp.');

	const twice = door.twice({ port: words, proto: proto });

	return twice ? text.say(_('Port {port} is there twice.'), { port: twice }) : mostPorts(words);
}

function mostPorts(words) {
	return (words.length > rules.PORTS) ? text.say(_('At most {n} ports and ranges.'), { n: rules.PORTS }) : true;
}

// Where the ports of a door lead on a host: as many, in the same order.
function insidePorts(value, ports) {
	const words = value.split(/\s+/).filter(Boolean), outside = ports.split(/\s+/).filter(Boolean);
	const size = function(w) { const r = door.portRange(w.replace(/\/.*$/, '')); return r ? r[1] - r[0] : 0; };

	if (!words.length || !words.every(isPorts))
		return _('Write ports from 1 to 65535, such as 443 or 8000-8010.');
	if (words.length != outside.length || words.some(function(w, i) { return size(w) != size(outside[i]); }))
		return _('As many ports as outside, in the same order; empty if they are the same.');

	return mostPorts(words);
}

// A door's ports, against what the daemon refuses: those where TCP knocks arrive, and more in ranges than the
// firewall can lead to other ones.
function doorPort(d, main) {
	const knocks = door.meets(d, 'outside', [ 'tcp' ], [ door.portRange(main.ports) ]);
	const moved = d.dest_ip ? [ 'tcp', 'udp' ].map(function(proto) {
		return door.openings(d).filter(function(o) {
			return o.protos.indexOf(proto) >= 0 && o.outside[0] != o.outside[1] && o.outside[0] != o.inside[0];
		}).reduce(function(sum, o) { return sum + o.outside[1] - o.outside[0] + 1; }, 0);
	}) : [ 0 ];

	if (knocks)
		return door.about(d, knocks, _('Knocks arrive at the ports {ports}: choose another one.'), { ports: main.ports });
	if (Math.max.apply(null, moved) > rules.MOVED)
		return text.say(_('Ranges can lead to {n} other ports at the most: let them be the same inside.'), { n: rules.MOVED });

	return true;
}

function step(value) {
	return sequence.parse(value) ? true
		: _('Write 7000/tcp, 7000/tcp:syn,!ack, 8000/udp or icmp:77 (bytes of a ping).');
}

// A whole sequence: each step, their number, and no two ports beside each other, which would be
// each other's trip wires.
function steps(values) {
	const wrong = values.map(step).find(function(r) { return r !== true; });

	if (wrong)
		return wrong;
	if (values.length < 1 || values.length > rules.STEPS)
		return text.say(_('A sequence has 1 to {most} steps.'), { most: rules.STEPS });

	const pair = sequence.neighbours(values);

	return pair ? text.say(_('Ports {a} and {b} are beside each other, as in a scan: leave at least one port between.'), {
		a: pair[0], b: pair[1] }) : true;
}

// The span of TCP knocks.
function span(value) {
	const r = door.portRange(value);

	if (!(/^[1-9]\d*-[1-9]\d*$/).test(value) || r[1] > 65535 || r[1] - r[0] + 1 != rules.SPAN)
		return text.say(_('Write a range of {n} ports, such as 20480-26623.'), { n: rules.SPAN });

	return true;
}

// How many bytes a base64 text holds (both alphabets, padded or not); null if it is none.
function base64Bytes(value) {
	const v = String(value).replace(/=+$/, '');

	if (!(/^[A-Za-z0-9+\/_-]+$/).test(v) || v.length % 4 == 1)
		return null;

	return Math.floor(v.length * 3 / 4);
}

function key(value) {
	return (base64Bytes(value) === rules.KEY) ? true : _('Not a key: 32 bytes as base64, 43 or 44 characters.');
}

function isPlaceholder(value) {
	const word = value.toLowerCase().replace(/[^a-z0-9]/g, '').replace(/here$/, '');

	return rules.PLACEHOLDERS.indexOf(word) >= 0 || (/^x+$/).test(word);
}

// fwknop's programs know the standard alphabet only.
function keyWithin(value, most) {
	if (isPlaceholder(value))
		return _('This is a placeholder that everybody knows.');

	const n = (/[_-]/).test(value) ? null : base64Bytes(value);

	if (n == null || n < 1 || n > most)
		return text.say(_('Write 1 to {most} bytes as base64.'), { most: most });

	return true;
}

function fwknopKey(value) {
	return keyWithin(value, rules.FWKNOP_KEY);
}

function fwknopHmac(value) {
	return keyWithin(value, rules.FWKNOP_HMAC);
}

// A key of fwknop that is a text: KEY and HMAC_KEY.
function keyTextWithin(value, most) {
	if (!(/^[ -~]+$/).test(value) || value.length > most)
		return text.say(_('Write 1 to {most} characters without accents.'), { most: most });
	if (isPlaceholder(value))
		return _('This is a placeholder that everybody knows.');

	return true;
}

function fwknopKeyText(value) {
	return keyTextWithin(value, rules.FWKNOP_KEY);
}

function fwknopHmacText(value) {
	return keyTextWithin(value, rules.FWKNOP_HMAC);
}

// A day, as YYYY-MM-DD, which counts to its end in UTC, or a time with its zone.
function expires(value) {
	const m = value.match(/^(\d{4})-(\d{2})-(\d{2})(?:T(\d{1,2}):(\d{2}):(\d{2})(?:[.,]\d+)?(?:Z|[+-](\d{2}):(\d{2})))?$/);
	const d = new Date(0);

	if (m) {
		d.setUTCFullYear(+m[1], +m[2] - 1, +m[3]); // Date.UTC takes 27 for 1927
		if (d.toISOString().slice(0, 10) == m.slice(1, 4).join('-') &&
		    [ 23, 59, 59, 24, 60 ].every(function(most, i) { return (m[4 + i] || 0) <= most; }))
			return true;
	}

	return _('Write a date such as 2027-01-31.');
}

// The eight groups of an IPv6 address, null if it is none. The browser's own parser knows all its forms.
function ip6Groups(value) {
	let text;

	if (!(/^[0-9a-f.]*:[0-9a-f:.]*$/i).test(value))
		return null;
	try {
		text = new URL('http://[' + value + ']/').hostname.slice(1, -1);
	}
	catch (err) {
		return null;
	}

	const halves = text.split('::').map(function(h) { return h ? h.split(':') : []; });
	const zeros = Array(8 - halves[0].length - (halves[1] || []).length).fill('0');

	return halves[0].concat((halves.length > 1) ? zeros : [], halves[1] || []).map(function(g) { return parseInt(g, 16); });
}

// The IPv6 address of one host, or the end of one: ::22 or, as the firewall writes it, ::22/-64.
function ip6(value) {
	const g = ip6Groups(value.replace(/\/-64$/, ''));
	const isEnd = g && g.slice(0, 4).every(function(x) { return x == 0; });
	const isMapped = isEnd && g[4] == 0 && g[5] == 0xffff;
	const isNobody = g && (g.every(function(x) { return x == 0; }) || (g[0] & 0xff00) == 0xff00 || (g[0] & 0xffc0) == 0xfe80);

	if (!g || isMapped || isNobody || (!isEnd && (/\/-64$/).test(value)))
		return _('Write the IPv6 address of one host, or its end such as ::22.');

	return true;
}

// A name of DNS, which an address is not.
function hostname(value) {
	const labels = value.replace(/\.$/, '').split('.');
	const ok = value.length <= 253 && !(/^\d+$/).test(labels[labels.length - 1]) &&
		labels.every(function(l) { return (/^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i).test(l); });

	return ok ? true : _('Write a name such as home.example.net.');
}

function isIPv4(value) {
	return (/^(\d{1,3}\.){3}\d{1,3}$/).test(value) && value.split('.').every(function(o) { return +o < 256 && String(+o) == o; });
}

// An address that one host can have.
function isOneHost(value) {
	const g = ip6Groups(isIPv4(value) ? '::ffff:' + value : value);
	const isMapped = g && g.slice(0, 5).every(function(x) { return x == 0; }) && g[5] == 0xffff;

	if (!g)
		return false;
	if (isMapped)
		return (g[6] & 0xf000) != 0xe000 && (g[6] != 0 || g[7] != 0);

	return (g[0] & 0xff00) != 0xff00 && g.some(function(x) { return x != 0; });
}

// A host name or an address, as it goes into a link.
function host(value) {
	return (hostname(value) === true || isOneHost(value)) ? true
		: _('Write a name such as home.example.net, or an address, without http:// and port.');
}

// The values of option host: one name at most, and addresses.
function hosts(values) {
	const wrong = values.map(host).find(function(r) { return r !== true; });

	if (wrong)
		return wrong;

	return (values.filter(function(v) { return hostname(v) === true; }).length > 1)
		? _('Clients are told one name: what stands beside it has to be addresses.') : true;
}

// The address of a page, as links may begin with: a javascript: address would run.
function page(value) {
	const ok = (/^https?:\/\/[^\/?]/i).test(value) && PRINTABLE.test(value) && !(/[ "#<>\\^`{|}]/).test(value) && new Blob([ value ]).size <= rules.PAGE;

	return ok ? true : _('Write an address that begins with https:// or http://, without a #.');
}

return baseclass.extend({
	seconds: seconds,
	openFor: openFor,
	maxOpen: maxOpen,
	within: within,
	maxSkew: maxSkew,
	name: name,
	title: title,
	port: port,
	stunPorts: stunPorts,
	stunWords: stunWords,
	doorPorts: doorPorts,
	insidePorts: insidePorts,
	width4: width4,
	width6: width6,
	doorPort: doorPort,
	step: step,
	steps: steps,
	span: span,
	key: key,
	fwknopKey: fwknopKey,
	fwknopHmac: fwknopHmac,
	fwknopKeyText: fwknopKeyText,
	fwknopHmacText: fwknopHmacText,
	expires: expires,
	ip6: ip6,
	host: host,
	hostname: hostname,
	hosts: hosts,
	isIPv4: isIPv4,
	page: page
});
