// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.door as door';
'require latchkey.rules as rules';
'require latchkey.syntax as syntax';
'require latchkey.sequence as sequence';

// The ports at which knocks arrive, and what else they would collide with. Pure: sections in, words out.

const ALL = [ [ 1, 65535 ] ];

function isOn(section) {
	return syntax.isOn(section.enabled, true);
}

function meet(a, b) {
	return a[0] <= b[1] && a[1] >= b[0];
}

// The ports of a protocol at which a sequence knocks.
function steps(section, proto) {
	return syntax.words(section.step).concat(syntax.words(section.once)).map(function(step) { return step.match(/^(\d+)\/(tcp|udp)/); })
		.filter(function(m) { return m && m[2] == proto; }).map(function(m) { return [ +m[1], +m[1] ]; });
}

// The ports of an ordered form of knocks over TCP.
function orderedPorts(section) {
	return syntax.words([ section.ports ].concat(section.header || [], section.footer || []).join(' ').replace(/,/g, ' ')).map(door.portRange).filter(Boolean);
}

// What receives packets of a protocol that come in at some zones: [{ name, ranges, sentence, ofMany }], with the sentences for one
// port and for many. The daemon has the same rule for the first start, and the tests of both read one table. around: { doors, sequences, ordered, firewall, listeners },
// see api.around.
function receivers(proto, zones, around) {
	const out = [];
	const add = function(name, ranges, sentence, ofMany) { out.push({ name: name, ranges: ranges, sentence: sentence, ofMany: ofMany || sentence }); };

	around.doors.filter(isOn).forEach(function(d) {
		add(door.title(d), door.openings(d).filter(function(o) { return o.protos.indexOf(proto) >= 0; }).map(function(o) { return o.outside; }),
			_('Door “{name}” uses this port already.'), _('Door “{name}” uses a port of these.'));
	});
	around.firewall.filter(function(s) {
		return isOn(s) && (zones.indexOf(s.src) >= 0 || s.src == '*') && door.forwardProtocols(s).indexOf(proto) >= 0;
	}).forEach(function(s) {
		const name = s.name || s['.name'], target = String(s.target || '').toUpperCase();

		if (s['.type'] == 'redirect' && (target == '' || target == 'DNAT')) // without a port it takes all that comes
			add(name, s.src_dport ? door.forwardRanges(s.src_dport) : ALL, _('Port forward “{name}” takes what arrives there, too.'));
		if (s['.type'] == 'rule' && target == 'ACCEPT')
			add(name, door.forwardRanges(s.dest_port), _('Firewall rule “{name}” lets in what arrives there, too.'));
	});
	around.listeners.filter(function(l) { return l.proto == proto; }).forEach(function(l) {
		add(l.name, [ [ l.port, l.port ] ], _('{name} of the router listens there.'));
	});
	if (proto == 'tcp')
		(around.ordered || []).forEach(function(s) { add('', orderedPorts(s), _('Knocks by ports in order arrive there.')); });
	around.sequences.filter(isOn).forEach(function(s) {
		add(s.title || s['.name'], steps(s, proto), _('Sequence “{name}” knocks there.'));
	});

	return out;
}

// Ranges of ports from which those of knocks must keep away: what receives there, and the trip wires beside steps.
function occupied(proto, zones, around) {
	const wires = around.sequences.filter(isOn).map(function(s) {
		return steps(s, proto).map(function(r) { return [ r[0] - 1, r[1] + 1 ]; });
	});

	return [].concat(...receivers(proto, zones, around).map(function(r) { return r.ranges; }), ...wires);
}

function isFree(range, occupied) {
	return !occupied.some(function(r) { return meet(r, range); });
}

// What collides with one range of ports of option 'stun_port', 'ports' or 'spa_port' of section main, in sentences.
function collisions(option, range, main, zones, around) {
	const other = { stun_port: 'spa_port', spa_port: 'stun_port' }[option];
	const out = [];

	if (other && !isFree(range, syntax.words(main[other]).map(door.portRange).filter(Boolean)))
		out.push(_('Both kinds of UDP knocks have this port.'));
	if (option != 'spa_port' && range[0] < rules.FIRST_FREE && range[1] != rules.WEB)
		out.push(text.say(_('Browsers refuse some ports below {n}, so the knock page would fail there.'), { n: rules.FIRST_FREE }));

	return out.concat(receivers((option == 'ports') ? 'tcp' : 'udp', zones, around)
		.filter(function(r) { return !isFree(range, r.ranges); })
		.map(function(r) { return text.say((range[0] == range[1]) ? r.sentence : r.ofMany, { name: r.name }); }));
}

// Sentences about one option of section main, each with its port where there are several. main has all options as they will be.
function conflicts(option, main, zones, around) {
	const ranges = syntax.words(main[option]).map(door.portRange).filter(function(r) { return r && r[0] != 0; });

	return [].concat(...ranges.map(function(range) {
		return collisions(option, range, main, zones, around).map(function(sentence) {
			return (ranges.length == 1) ? sentence : text.say(_('{port}: {sentence}'), { port: range[0], sentence: sentence });
		});
	}));
}

// Ranges of ports that mean something on this router already, for the generator of steps. around: as of receivers.
function taken(around) {
	const listened = around.listeners.map(function(l) { return l.port; });
	const knocked = around.sequences.map(function(s) { return sequence.portsOf([].concat(s.step || [])); });
	const opened = around.doors.map(function(d) { return door.openings(d).map(function(o) { return o.outside; }); });

	return [ around.main.ports, around.main.spa_port ].concat(syntax.words(around.main.stun_port), listened, ...knocked)
		.map(door.portRange).concat(...opened).filter(function(r) { return r != null; });
}

return baseclass.extend({
	conflicts: conflicts,
	occupied: occupied,
	isFree: isFree,
	taken: taken
});
