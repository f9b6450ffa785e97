// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.syntax as syntax';

// Doors: what they lead to, in words, and what they would collide with. Pure: sections in, words out.

// How many of a door's ports a sentence names.
const MOST_NAMED = 3;

// Services that people put behind a door. proto and port are those inside.
function services() {
	return [
		{ id: 'ssh', title: _('SSH'), proto: 'tcp', port: '22' },
		{ id: 'rdp', title: _('Remote desktop (RDP)'), proto: 'tcp', port: '3389' },
		{ id: 'https', title: _('Web page (HTTPS)'), proto: 'tcp', port: '443' },
		{ id: 'wireguard', title: _('WireGuard'), proto: 'udp', port: '51820' },
		{ id: 'vnc', title: _('Screen sharing (VNC)'), proto: 'tcp', port: '5900' },
		{ id: 'own', title: _('Another service'), proto: 'tcp', port: '' }
	];
}

function protocols(door) {
	return syntax.words(door.proto || 'tcp').map(function(p) { return p.toLowerCase(); });
}

// "8080" or "8000-8010" or "8000:8010" as [first, last]; null if it is no port.
function portRange(value) {
	const m = String(value == null ? '' : value).match(/^(\d+)(?:[-:](\d+))?$/);

	if (!m)
		return null;

	return [ +m[1], +(m[2] || m[1]) ];
}

function rangeText(range) {
	return (range[0] == range[1]) ? String(range[0]) : range[0] + '-' + range[1];
}

// What a door's option port says: [{ protos, outside, inside }], both [first, last]. What is no port is left out.
function openings(door) {
	const inside = syntax.words(door.dest_port);

	return syntax.words(door.port).map(function(word, i) {
		const own = word.split('/'), range = portRange(own[0]);

		return range && { protos: own[1] ? [ own[1] ] : protocols(door), outside: range, inside: portRange(inside[i]) || range };
	}).filter(Boolean);
}

function shownProtos(protos) {
	return protos.map(function(p) { return p.toUpperCase(); }).join('/');
}

// "SSH", "TCP port 8080", "UDP ports 60000-61000"
function openingName(opening) {
	const ports = rangeText(opening.inside);
	const known = services().find(function(s) { return s.port == ports && opening.protos.join() == s.proto; });

	if (known)
		return known.title;

	return text.say((opening.inside[0] == opening.inside[1]) ? _('{proto} port {port}') : _('{proto} ports {port}'), {
		proto: shownProtos(opening.protos), port: ports });
}

// "SSH", "TCP port 8080", "SSH and UDP ports 60000-61000"
function serviceName(door) {
	const all = openings(syntax.words(door.port).length ? door : Object.assign({}, door, { port: door.dest_port, dest_port: '' }));
	const names = all.slice(0, MOST_NAMED).map(openingName);

	if (!all.length)
		return text.say(_('{proto} port {port}'), { proto: shownProtos(protocols(door)), port: '?' });

	return text.list(all.length > MOST_NAMED ? names.concat(_('more ports')) : names);
}

// The LAN host a door leads to, as its address or name; '' is the router itself. hostName(address) may know a name.
function hostOf(door, hostName) {
	const address = door.dest_ip || door.dest_ip6;

	return address ? ((hostName && hostName(address)) || address) : '';
}

// "SSH on nas, from outside on port 2022"
function sentence(door, hostName) {
	const host = hostOf(door, hostName);
	const all = openings(door);
	const moved = all.some(function(o) { return o.outside[0] != o.inside[0]; });
	const values = { service: serviceName(door), host: host, port: text.list(all.map(function(o) { return rangeText(o.outside); })) };
	const isOne = all.length == 1 && all[0].outside[0] == all[0].outside[1];

	if (host == '')
		return text.say(_('{service} on this router'), values);
	if (!door.dest_ip || !moved)
		return text.say(_('{service} on {host}'), values);

	return text.say(isOne ? _('{service} on {host}, from outside on port {port}') : _('{service} on {host}, from outside on ports {port}'), values);
}

function title(door) {
	return door.title || door['.name'];
}

// A section name from a title: "NAS: SSH" becomes nas_ssh; a number is added if it is taken.
function sectionName(words, taken) {
	const base = words.join('_').toLowerCase().replace(/[^a-z0-9]+/g, '_').replace(/^_+|_+$/g, '').slice(0, 16) || 'door';
	let name = base;

	for (let i = 2; taken.indexOf(name) >= 0; i++)
		name = base + '_' + i;

	return name;
}

// The lowest port of two ranges, 0 if there is none in both.
function overlap(a, b) {
	return (a && b && a[0] <= b[1] && b[0] <= a[1]) ? Math.max(a[0], b[0]) : 0;
}

// Whether two openings of a door have a port twice: "8005/udp", or ''.
function twice(door) {
	const all = openings(door);

	for (let i = 0; i < all.length; i++)
		for (let j = 0; j < i; j++) {
			const port = overlap(all[i].outside, all[j].outside);
			const proto = all[i].protos.find(function(p) { return all[j].protos.indexOf(p) >= 0; });

			if (port && proto)
				return port + '/' + proto;
		}

	return '';
}

// The first port of a door that is in one of some ranges, with the protocol that both have: "8005/tcp", or
// ''. side: outside or inside.
function meets(door, side, protos, ranges) {
	let found = '';

	openings(door).some(function(o) {
		return ranges.some(function(r) {
			const port = overlap(o[side], r);
			const proto = port && o.protos.find(function(p) { return protos.indexOf(p) >= 0; });

			found = proto ? port + '/' + proto : '';

			return found;
		});
	});

	return found;
}

// A sentence about a port of a door, which is named if the door has others. port as of meets.
function about(door, port, sentence, values) {
	const said = text.say(sentence, values || {}), all = openings(door);

	return (all.length == 1 && all[0].outside[0] == all[0].outside[1]) ? said : text.say(_('{port}: {sentence}'), { port: port, sentence: said });
}

// Which of our protocols a section of firewall4 is about, by all the names and numbers that it knows for them.
function forwardProtocols(section) {
	const said = syntax.words(section.proto).map(function(p) { return p.replace(/^!/, '').toLowerCase(); }); // firewall4 looks at no ! there
	const is = function(names) { return said.some(function(p) { return names.indexOf(p) >= 0; }); };
	const isAny = !said.length || is([ 'tcpudp', 'all', 'any', '*' ]);

	return [ [ 'tcp', '6' ], [ 'udp', '17' ] ].filter(function(names) { return isAny || is(names); }).map(function(names) { return names[0]; });
}

// The ports of a section of firewall4, in whatever list, as [first, last]; "!22" is all but that.
function forwardRanges(value) {
	return syntax.words(value).reduce(function(all, word) {
		const but = word.charAt(0) == '!';
		const r = portRange(but ? word.slice(1) : word);

		return all.concat(!r ? [] : but ? [ [ 1, r[0] - 1 ], [ r[1] + 1, 65535 ] ] : [ r ]);
	}, []);
}

function isForward(section, src) {
	return section['.type'] == 'redirect' && syntax.isOn(section.enabled, true) && section.src == src &&
		String(section.target || 'DNAT').toUpperCase() == 'DNAT';
}

function otherDoor(door, doors) {
	let port = '';
	const other = doors.find(function(d) {
		return d['.name'] != door['.name'] && syntax.isOn(d.enabled, true) && (d.src || 'wan') == (door.src || 'wan') &&
			openings(d).some(function(o) { return (port = meets(door, 'outside', o.protos, [ o.outside ])); });
	});

	return other ? about(door, port, _('Door “{name}” uses this port already.'), { name: title(other) }) : null;
}

function portForward(door, firewall) {
	let port = '';
	const other = firewall.find(function(s) {
		return isForward(s, door.src || 'wan') && (port = meets(door, 'outside', forwardProtocols(s), forwardRanges(s.src_dport)));
	});

	return other ? about(door, port, _('Port forward “{name}” leads everybody through this port already, without a knock.'),
		{ name: other.name || other['.name'] }) : null;
}

function openRule(door, firewall) {
	const src = door.src || 'wan';
	let port = '';
	const rule = firewall.find(function(s) {
		return s['.type'] == 'rule' && syntax.isOn(s.enabled, true) && (s.src == src || s.src == '*') &&
			!s.src_ip && !s.ipset && String(s.target).toUpperCase() == 'ACCEPT' &&
			!s.dest == !(door.dest_ip || door.dest_ip6) &&
			(port = meets(door, 'inside', forwardProtocols(s), forwardRanges(s.dest_port)));
	});

	return rule ? about(door, port, _('Firewall rule “{name}” opens this port to everybody already.'), { name: rule.name || rule['.name'] }) : null;
}

// firewall4 leaves out a rule whose zone does not exist.
function missingZone(door, firewall) {
	const zones = firewall.filter(function(s) { return s['.type'] == 'zone' && syntax.isOn(s.enabled, true); });
	const missing = [ door.src || 'wan', door.dest ].find(function(name) {
		return name && !zones.some(function(z) { return z.name == name; });
	});

	return (missing && zones.length) ? text.say(_('The firewall has no zone {zone}, so this door cannot be opened.'), { zone: missing }) : null;
}

function knockPorts(door, main, sequences) {
	let port = meets(door, 'outside', [ 'tcp' ], [ portRange(main.ports) ]);

	if (port)
		return about(door, port, _('This port lies in {ports}, where knocks arrive.'), { ports: main.ports });
	if ((port = meets(door, 'outside', [ 'udp' ], syntax.words(main.stun_port).map(portRange))))
		return about(door, port, _('This is the port where UDP knocks arrive.'));

	const used = sequences.find(function(s) {
		return [].concat(s.step || []).some(function(step) {
			return (port = meets(door, 'outside', [ step.replace(/^\d+\//, '').replace(/:.*$/, '') ], [ portRange(parseInt(step, 10)) ]));
		});
	});

	return used ? about(door, port, _('Sequence “{name}” knocks at this port.'), { name: used.title || used['.name'] }) : null;
}

// What listens on the router itself, and would be hidden by a door that leads to a LAN host.
function routerService(door, listeners) {
	let port = '';
	const l = listeners.find(function(x) { return (port = meets(door, 'outside', [ x.proto ], [ [ x.port, x.port ] ])); });

	if (!l || !door.dest_ip)
		return null;

	return about(door, port, _('{service} of the router listens on this port; from outside, an open door leads past it.'), { service: l.name });
}

// Sentences about what a port would collide with. around: { doors, firewall, main, sequences, listeners },
// each a list of sections but main, which is one, and listeners: [{ name, proto, port }].
function collisions(door, around) {
	return [
		otherDoor(door, around.doors),
		portForward(door, around.firewall),
		openRule(door, around.firewall),
		knockPorts(door, around.main, around.sequences),
		routerService(door, around.listeners)
	].filter(function(c) { return c != null; });
}

// Sentences about why a door would not work, or not alone.
function conflicts(door, around) {
	return [ missingZone(door, around.firewall) ].filter(function(c) { return c != null; }).concat(collisions(door, around));
}

// What listens on the router, as far as its configuration tells.
function listeners(dropbear, uhttpd, network) {
	const out = [];

	dropbear.forEach(function(s) {
		if (s['.type'] == 'dropbear' && syntax.isOn(s.enable, true))
			syntax.words(s.Port || '22').forEach(function(port) { out.push({ name: _('SSH'), proto: 'tcp', port: +port }); });
	});
	uhttpd.forEach(function(s) {
		syntax.words(s.listen_http).concat(syntax.words(s.listen_https)).forEach(function(l) {
			out.push({ name: _('The web interface'), proto: 'tcp', port: +String(l).replace(/^.*:/, '') });
		});
	});
	network.forEach(function(s) {
		if (s.listen_port && [ '1', 'true' ].indexOf(s.disabled) < 0) // as netifd reads it
			out.push({ name: (s.proto == 'wireguard') ? _('WireGuard') : s['.name'], proto: 'udp', port: +s.listen_port });
	});

	return out;
}

// Below 1024 the knock page can try these alone: to most of the others no browser connects, and scanners try them first.
const WEB_PORTS = [ '80', '443' ];

// A port outside for a service inside: its own if the page can try it and nothing collides, else a high one that is free.
function freePort(door, around, below) {
	let port = String(door.dest_port);

	if (+port < 1024 && WEB_PORTS.indexOf(port) < 0)
		port = String(20000 + below(40000));
	for (let i = 0; i < 100 && collisions(Object.assign({}, door, { port: port }), around).length; i++)
		port = String(20000 + below(40000));

	return port;
}

return baseclass.extend({
	services: services,
	protocols: protocols,
	forwardProtocols: forwardProtocols,
	forwardRanges: forwardRanges,
	openings: openings,
	rangeText: rangeText,
	twice: twice,
	meets: meets,
	about: about,
	serviceName: serviceName,
	hostOf: hostOf,
	sentence: sentence,
	title: title,
	sectionName: sectionName,
	portRange: portRange,
	conflicts: conflicts,
	listeners: listeners,
	freePort: freePort
});
