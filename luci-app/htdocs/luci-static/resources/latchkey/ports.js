// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.door as door';
'require latchkey.reach as reach';
'require latchkey.sequence as sequence';

// The ports at which knocks arrive, and what else they would collide with. Pure: sections in, words out.

const FIRST_FREE = 10240; // browsers refuse some ports below
const WEB = 443;          // but not the web's own, if the router has a public address

function within(value, range) {
	return String(value || '').split(/\s+/).map(door.portRange).some(function(r) {
		return r != null && r[0] <= range[1] && r[1] >= range[0];
	});
}

function stepIn(sequence, proto, range) {
	return reach.words(sequence.step).concat(reach.words(sequence.once)).some(function(step) {
		const m = step.match(/^(\d+)\/(tcp|udp)/);

		return m && m[2] == proto && within(m[1], range);
	});
}

// What uses a port of range, a list of sentences. zone is where knocks come in.
function users(proto, range, zone, around) {
	const out = [];
	const on = function(s) { return reach.isOn(s.enabled, true); };
	const say = function(sentence, name) { out.push(text.say(sentence, { name: name })); };

	around.doors.filter(function(d) { return on(d) && door.meets(d, 'outside', [ proto ], [ range ]); })
		.forEach(function(d) { say((range[0] == range[1]) ? _('Door “{name}” uses this port already.') : _('Door “{name}” uses a port of these.'), door.title(d)); });
	around.firewall.filter(function(s) {
		return s['.type'] == 'redirect' && on(s) && s.src == zone && within(s.src_dport, range) &&
			(!s.proto || door.protocols(s).some(function(p) { return p == proto || p == 'all' || p == 'any'; }));
	}).forEach(function(s) { say(_('Port forward “{name}” takes what arrives there, too.'), s.name || s['.name']); });
	around.firewall.filter(function(s) {
		return s['.type'] == 'rule' && on(s) && (s.src == zone || s.src == '*') && !s.dest && !s.src_ip && !s.ipset &&
			String(s.target).toUpperCase() == 'ACCEPT' && within(s.dest_port, range) &&
			(!s.proto || door.protocols(s).some(function(p) { return p == proto || p == 'all' || p == 'any'; }));
	}).forEach(function(s) { say(_('Firewall rule “{name}” lets in what arrives there, too.'), s.name || s['.name']); });
	around.listeners.filter(function(l) { return l.proto == proto && l.port >= range[0] && l.port <= range[1]; })
		.forEach(function(l) { say(_('{name} of the router listens there.'), l.name); });
	around.sequences.filter(function(s) { return on(s) && stepIn(s, proto, range); })
		.forEach(function(s) { say(_('Sequence “{name}” knocks there.'), s.title || s['.name']); });

	return out;
}

// Sentences about one option of section main: 'stun_port', 'ports' or 'spa_port'. main has all of them
// as they will be.
function conflicts(option, main, zone, around) {
	const other = { stun_port: 'spa_port', spa_port: 'stun_port' }[option];
	const ranges = reach.words(main[option]).map(door.portRange).filter(function(r) { return r && r[0] != 0; });

	return ranges.reduce(function(all, range) {
		const said = (other && within(reach.words(main[other]).join(' '), range) ? [ _('Both kinds of UDP knocks have this port.') ] : [])
			.concat((option != 'spa_port' && range[0] < FIRST_FREE && range[1] != WEB)
				? [ text.say(_('Browsers refuse some ports below {n}, so the knock page would fail there.'), { n: FIRST_FREE }) ] : [])
			.concat(users((option == 'ports') ? 'tcp' : 'udp', range, zone, around));

		return all.concat((ranges.length == 1) ? said
			: said.map(function(s) { return text.say(_('{port}: {sentence}'), { port: range[0], sentence: s }); }));
	}, []);
}

// Whether nothing uses these ports, and no sequence has a trip wire there, beside one of its steps.
function isFree(proto, range, zone, around) {
	return !users(proto, range, zone, around).length && !around.sequences.some(function(s) {
		return reach.isOn(s.enabled, true) && stepIn(s, proto, [ range[0] - 1, range[1] + 1 ]);
	});
}

// Ranges of ports that mean something on this router already, for the generator of steps. around: as of users.
function taken(around) {
	const listened = around.listeners.map(function(l) { return l.port; });
	const knocked = around.sequences.map(function(s) { return sequence.portsOf([].concat(s.step || [])); });
	const opened = around.doors.map(function(d) { return door.openings(d).map(function(o) { return o.outside; }); });

	return [ around.main.ports, around.main.spa_port ].concat(reach.words(around.main.stun_port), listened, ...knocked)
		.map(door.portRange).concat(...opened).filter(function(r) { return r != null; });
}

return baseclass.extend({
	conflicts: conflicts,
	isFree: isFree,
	taken: taken
});
