// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';

// Doors: what they lead to, in words, and what they would collide with. Pure: sections in, words out.

// What a door's option 'service' may be, beside 'none': the list of pkgs/link.
const SERVICES = [ 'ssh', 'sftp', 'http', 'https', 'rdp', 'vnc', 'smb', 'wireguard', 'openvpn' ];

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
	const p = Array.isArray(door.proto) ? door.proto : String(door.proto || 'tcp').trim().split(/\s+/);

	return p.map(function(x) { return x.toLowerCase(); });
}

function insidePort(door) {
	return door.dest_port || door.port || '';
}

// "SSH", "TCP port 8080"
function serviceName(door) {
	const protos = protocols(door);
	const known = services().find(function(s) {
		return s.port != '' && s.port == insidePort(door) && protos.length == 1 && protos[0] == s.proto;
	});

	if (known)
		return known.title;

	return text.say(_('{proto} port {port}'), {
		proto: protos.map(function(p) { return p.toUpperCase(); }).join('/'),
		port: insidePort(door) || '?'
	});
}

// The LAN host a door leads to, as its address or name; '' is the router itself. hostName(address) may know a name.
function hostOf(door, hostName) {
	const address = door.dest_ip || door.dest_ip6;

	return address ? ((hostName && hostName(address)) || address) : '';
}

// "SSH on nas, from outside on port 2022"
function sentence(door, hostName) {
	const host = hostOf(door, hostName);
	const values = { service: serviceName(door), host: host, port: door.port };

	if (host == '')
		return text.say((!door.port || insidePort(door) == door.port)
			? _('{service} on this router')
			: _('{service} on this router, from outside on port {port}'), values);

	return text.say((door.dest_ip && door.port && door.port != insidePort(door))
		? _('{service} on {host}, from outside on port {port}')
		: _('{service} on {host}'), values);
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

// "8080" or "8000-8010" or "8000:8010" as [first, last]; null if it is no port.
function portRange(value) {
	const m = String(value == null ? '' : value).match(/^(\d+)(?:[-:](\d+))?$/);

	if (!m)
		return null;

	return [ +m[1], +(m[2] || m[1]) ];
}

function inRange(port, range) {
	return range != null && port >= range[0] && port <= range[1];
}

function sharesProtocol(a, b) {
	return a.some(function(p) { return b.indexOf(p) >= 0 || b.indexOf('all') >= 0 || b.indexOf('any') >= 0; });
}

function forwardProtocols(section) {
	return section.proto ? protocols(section) : [ 'tcp', 'udp' ];
}

function isForward(section, src) {
	return section['.type'] == 'redirect' && section.enabled != '0' && section.src == src &&
		String(section.target || 'DNAT').toUpperCase() == 'DNAT';
}

function otherDoor(door, doors) {
	const other = doors.find(function(d) {
		return d['.name'] != door['.name'] && d.enabled != '0' && d.port == door.port &&
			(d.src || 'wan') == (door.src || 'wan') && sharesProtocol(protocols(d), protocols(door));
	});

	return other ? text.say(_('Door “{name}” uses this port already.'), { name: title(other) }) : null;
}

function portForward(door, firewall) {
	const other = firewall.find(function(s) {
		return isForward(s, door.src || 'wan') && sharesProtocol(protocols(door), forwardProtocols(s)) &&
			String(s.src_dport || '').split(/\s+/).some(function(p) { return inRange(+door.port, portRange(p)); });
	});

	return other ? text.say(_('Port forward “{name}” leads everybody through this port already, without a knock.'),
		{ name: other.name || other['.name'] }) : null;
}

function openRule(door, firewall) {
	const src = door.src || 'wan';
	const rule = firewall.find(function(s) {
		return s['.type'] == 'rule' && s.enabled != '0' && (s.src == src || s.src == '*') &&
			!s.src_ip && !s.ipset && String(s.target).toUpperCase() == 'ACCEPT' &&
			!s.dest == !(door.dest_ip || door.dest_ip6) &&
			sharesProtocol(protocols(door), forwardProtocols(s)) &&
			String(s.dest_port || '').split(/\s+/).some(function(p) { return inRange(+insidePort(door), portRange(p)); });
	});

	return rule ? text.say(_('Firewall rule “{name}” opens this port to everybody already.'), { name: rule.name || rule['.name'] }) : null;
}

// firewall4 leaves out a rule whose zone does not exist.
function missingZone(door, firewall) {
	const zones = firewall.filter(function(s) { return s['.type'] == 'zone' && s.enabled != '0'; });
	const missing = [ door.src || 'wan', door.dest ].find(function(name) {
		return name && !zones.some(function(z) { return z.name == name; });
	});

	return (missing && zones.length) ? text.say(_('The firewall has no zone {zone}, so this door cannot be opened.'), { zone: missing }) : null;
}

function knockPorts(door, main, sequences) {
	const port = +door.port, protos = protocols(door);

	if (protos.indexOf('tcp') >= 0 && inRange(port, portRange(main.ports)))
		return text.say(_('This port lies in {ports}, where knocks arrive.'), { ports: main.ports });
	if (protos.indexOf('udp') >= 0 && main.stun_port && port == +main.stun_port)
		return _('This is the port where UDP knocks arrive.');

	const used = sequences.find(function(s) {
		return [].concat(s.step || []).some(function(step) {
			return protos.indexOf(step.replace(/^\d+\//, '').replace(/:.*$/, '')) >= 0 && parseInt(step, 10) == port;
		});
	});

	return used ? text.say(_('Sequence “{name}” knocks at this port.'), { name: used.title || used['.name'] }) : null;
}

// What listens on the router itself, and would be hidden by a door that leads to a LAN host.
function routerService(door, listeners) {
	const host = door.dest_ip;
	const l = listeners.find(function(x) {
		return x.port == +door.port && protocols(door).indexOf(x.proto) >= 0;
	});

	if (!l || !host)
		return null;

	return text.say(_('{service} of the router listens on this port; from outside, an open door leads past it.'), { service: l.name });
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
		if (s['.type'] == 'dropbear' && s.enable != '0')
			out.push({ name: _('SSH'), proto: 'tcp', port: +(s.Port || 22) });
	});
	uhttpd.forEach(function(s) {
		[].concat(s.listen_http || [], s.listen_https || []).forEach(function(l) {
			out.push({ name: _('The web interface'), proto: 'tcp', port: +String(l).replace(/^.*:/, '') });
		});
	});
	network.forEach(function(s) {
		if (s.proto == 'wireguard' && s.listen_port)
			out.push({ name: _('WireGuard'), proto: 'udp', port: +s.listen_port });
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
	SERVICES: SERVICES,
	services: services,
	protocols: protocols,
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
