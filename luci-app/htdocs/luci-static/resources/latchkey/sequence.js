// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.random as random';
'require latchkey.rules as rules';

// Sequences: reading steps, making strong ones, judging weak ones, and the files of other programs.

const GENERATED_STEPS = 5;
const FIRST_PORT = 1025; // below are services that providers filter and scanners try first

// { proto, port, size, flags } of a step such as "7000/tcp", "7000/tcp:syn,!ack", "8000/udp" or "icmp:77"; null if it is none.
function parse(step) {
	const icmp = String(step).match(/^icmp:(\d+)$/);

	if (icmp)
		return (+icmp[1] <= rules.ECHO) ? { proto: 'icmp', size: +icmp[1] } : null;

	const m = String(step).match(/^(\d+)\/(tcp|udp)(?::([a-z!,]+))?$/);

	if (!m || +m[1] < 1 || +m[1] > 65535 || (m[3] && m[2] != 'tcp'))
		return null;

	const flags = m[3] ? m[3].split(',') : [];
	const names = flags.map(function(f) { return f.replace(/^!/, ''); });

	if (!names.every(function(f, i) { return rules.FLAGS.indexOf(f) >= 0 && names.indexOf(f) == i; }))
		return null;

	return { proto: m[2], port: +m[1], flags: flags };
}

function parseAll(steps) {
	return steps.map(parse).filter(function(s) { return s != null; });
}

function portsOf(steps) {
	return parseAll(steps).filter(function(s) { return s.port; }).map(function(s) { return s.port; });
}

function isSorted(ports) {
	const up = ports.every(function(p, i) { return i == 0 || p >= ports[i - 1]; });
	const down = ports.every(function(p, i) { return i == 0 || p <= ports[i - 1]; });

	return ports.length > 1 && (up || down);
}

// The first two ports of one protocol whose distance is from 1 to most, or null.
function pairWithin(steps, most) {
	const all = parseAll(steps).filter(function(s) { return s.port; });

	for (let i = 0; i < all.length; i++)
		for (let j = 0; j < i; j++) {
			const distance = Math.abs(all[i].port - all[j].port);

			if (all[i].proto == all[j].proto && distance > 0 && distance <= most)
				return [ Math.min(all[i].port, all[j].port), Math.max(all[i].port, all[j].port) ];
		}

	return null;
}

function neighbours(steps) {
	return pairWithin(steps, 1);
}

// Sentences about what makes these steps easy to guess or to hit by a scan. Empty means strong.
function judge(steps) {
	const out = [];
	const ports = portsOf(steps);

	if (steps.length < rules.FEW_STEPS)
		out.push(_('Short: with less than three steps, a scan may open it by chance.'));
	if (isSorted(ports))
		out.push(_('Sorted: a scan that walks through the ports in order meets them in the right order.'));
	if (pairWithin(steps, rules.NEAR - 1))
		out.push(_('Near each other: spread the ports out.'));
	if (ports.some(function(p) { return p < 1024; }))
		out.push(_('Well-known ports: some providers filter them, and scanners try them first.'));

	return out;
}

// How many tries a blind guess would need, as a power of two.
function bits(steps) {
	return Math.floor(parseAll(steps).reduce(function(sum, s) {
		return sum + Math.log2(s.proto == 'icmp' ? rules.ECHO : 2 * 65535);
	}, 0));
}

function fits(port, taken, avoid) {
	return taken.every(function(t) { return Math.abs(t - port) >= rules.NEAR; }) &&
		avoid.every(function(r) { return port < r[0] - 1 || port > r[1] + 1; });
}

// Steps that judge finds nothing against. avoid: ranges [first, last] that mean something else here.
function generate(avoid) {
	const ports = [];

	while (ports.length < GENERATED_STEPS) {
		const port = FIRST_PORT + random.below(65536 - FIRST_PORT);

		if (fits(port, ports, avoid || []))
			ports.push(port);
		if (ports.length == GENERATED_STEPS && isSorted(ports))
			ports.length = 0;
	}

	// TCP only: some mobile networks drop lone UDP packets, and every app can send TCP.
	return ports.map(function(p) { return p + '/tcp'; });
}

// The file that the app "Knock on Ports" imports.
function knockOnPorts(t) {
	return {
		version: 1,
		sequences: [ {
			name: t.name,
			host: t.host || '',
			delay: 200,
			ipv: 'both_ipv4_ipv6',
			uri: t.uri || '',
			steps: parseAll(t.steps).map(function(s) {
				return (s.proto == 'icmp')
					? { type: 'icmp', icmp_size: s.size, icmp_count: 1 }
					: { type: s.proto, port: s.port };
			})
		} ]
	};
}

// The line for the classic client `knock`; null if it cannot send such steps.
function knockLine(host, steps) {
	const all = parseAll(steps);

	if (all.some(function(s) { return s.proto == 'icmp' || s.flags.length; }))
		return null;

	return [ 'knock', '-d', '200', host ].concat(all.map(function(s) { return s.port + ':' + s.proto; })).join(' ');
}

// The line for our own client.
function latchkeyLine(host, steps) {
	return [ 'latchkey', 'knock', host ].concat(steps).join(' ');
}

// The file of knockd, which several apps import; null if it has no words for such steps.
function knockdConf(name, steps) {
	const line = knockLine('', steps);

	if (line == null)
		return null;

	return '[' + name + ']\n\tsequence = ' + parseAll(steps).map(function(s) { return s.port + ':' + s.proto; }).join(',') + '\n';
}

// The steps for a person: "7000 tcp, 8000 udp, ping of 77 bytes".
function words(steps) {
	return steps.map(function(step) {
		const s = parse(step);

		if (!s)
			return step;
		if (s.proto == 'icmp')
			return text.say(_('ping of {n} bytes'), { n: s.size });

		return s.port + ' ' + s.proto + (s.flags.length ? ' (' + s.flags.join(' ') + ')' : '');
	});
}

return baseclass.extend({
	parse: parse,
	judge: judge,
	neighbours: neighbours,
	bits: bits,
	portsOf: portsOf,
	generate: generate,
	knockOnPorts: knockOnPorts,
	knockLine: knockLine,
	latchkeyLine: latchkeyLine,
	knockdConf: knockdConf,
	words: words
});
