// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.syntax as syntax';
'require latchkey.rules as rules';
'require latchkey.door as door';
'require latchkey.valid as valid';

// How the Internet reaches this router: where it faces the Internet, with which addresses, whether its
// public name leads to it, and what a router in front would have to forward. Pure: sections and the
// answers of ubus in, words out.

function octets(address) {
	const m = String(address).match(/^(\d+)\.(\d+)\.(\d+)\.(\d+)$/);

	return m ? [ +m[1], +m[2], +m[3], +m[4] ] : null;
}

function isIPv6(address) {
	return String(address).indexOf(':') >= 0;
}

// Who can reach an address: 'public' everybody; 'private' one's own network (RFC 1918, RFC 4193, RFC 3879); 'carrier'
// a provider's, behind its own translation (RFC 6598, and RFC 7335 for DS-Lite); 'nobody' elsewhere.
function kind(address) {
	const o = octets(address);

	if (!o)
		return (/^f([cd]|e[c-f])/i).test(address) ? 'private' : (/^(::1?$|fe[89ab]|ff)/i).test(address) ? 'nobody' : 'public';
	if (o[0] == 10 || (o[0] == 172 && o[1] >= 16 && o[1] <= 31) || (o[0] == 192 && o[1] == 168))
		return 'private';
	if ((o[0] == 100 && o[1] >= 64 && o[1] <= 127) || (o[0] == 192 && o[1] == 0 && o[2] == 0))
		return 'carrier';

	return (o[0] == 0 || o[0] == 127 || o[0] >= 224 || (o[0] == 169 && o[1] == 254)) ? 'nobody' : 'public';
}

function isPublic(address) {
	return kind(address) == 'public';
}

function isAddress(host) {
	return octets(host) != null || isIPv6(host);
}

// What a client is told first of the values of option host: the name, which there is one of at most, else an address.
function publicName(hosts) {
	return hosts.find(function(h) { return !isAddress(h); }) || hosts[0] || '';
}

// The name that a service of dynamic DNS keeps for this router; some have an account or a URL in its place. The plugin of rpcd
// has the same rule, and the tests of both read one table.
function ddnsName(ddns) {
	const names = ddns.filter(function(s) { return s['.type'] == 'service' && syntax.isOn(s.enabled, false); })
		.map(function(s) { return String(s.lookup_host || '').replace(/\.$/, ''); });

	return names.find(function(name) { return valid.hostname(name) === true; }) || '';
}

// The values of option host after its owner typed another name, or an address instead of one; nothing takes
// the name away.
function withName(hosts, typed) {
	const addresses = hosts.filter(isAddress);

	if (typed == publicName(hosts))
		return hosts;
	if (typed == '')
		return hosts.length > addresses.length ? addresses : [];

	return isAddress(typed) ? [ typed ] : [ typed ].concat(addresses);
}

function networksOf(zones) {
	return zones.reduce(function(all, z) { return all.concat(syntax.words(z.network)); }, []);
}

function zonesOn(firewall) {
	return firewall.filter(function(s) { return s['.type'] == 'zone' && syntax.isOn(s.enabled, true); });
}

// The zones that have one of these networks; if none has, wan.
function zonesOf(firewall, networks) {
	const zones = zonesOn(firewall);
	const found = zones.filter(function(z) {
		return syntax.words(z.network).some(function(n) { return networks.indexOf(n) >= 0; });
	});

	return found.length ? found : zones.filter(function(z) { return z.name == 'wan'; });
}

function unique(list) {
	return list.filter(function(x, i) { return list.indexOf(x) == i; });
}

// Where knocks come in: { zone, zones, networks }, zone the one of zones for new doors. named are the interfaces of section
// main; who names none has the networks of the firewall's zone wan, whatever they are called; without one, of those that
// masquerade. The daemon has the same rule, and the tests of both read one table.
function outside(firewall, named) {
	const zones = zonesOn(firewall);
	const wan = zones.filter(function(z) { return z.name == 'wan'; });
	const theirs = wan.length ? wan : zones.filter(function(z) { return syntax.isOn(z.masq, false); });
	const found = unique(networksOf(theirs)).filter(function(n) { return n.length <= rules.INTERFACE_NAME; }).slice(0, rules.INTERFACES);
	const networks = named.length ? unique(named) : found.length ? found : [ 'wan', 'wan6' ];
	const facing = unique(zonesOf(firewall, networks).map(function(z) { return z.name; }));
	const zone = theirs.find(function(z) { return facing.indexOf(z.name) >= 0; });

	return { zone: zone ? zone.name : facing[0] || 'wan', zones: facing.length ? facing : [ 'wan' ], networks: networks };
}

// The zones in which the router's owner is not, by the firewall's own configuration: see strangers in pkgs/uplink. Of others
// the router changes nothing for an account of these pages, and tests of both read one table.
function strangers(firewall) {
	const facing = outside(firewall, []).zones.filter(function(name) {
		return !zonesOn(firewall).some(function(z) { return z.name == name && (name == 'lan' || syntax.words(z.network).indexOf('lan') >= 0); });
	});

	return facing.filter(function(name) {
		return !firewall.some(function(s) {
			const isForwarding = s['.type'] == 'forwarding';
			const isRule = s['.type'] == 'rule' && String(s.target).toUpperCase() == 'ACCEPT';

			return (isForwarding || isRule) && syntax.isOn(s.enabled, true) && (s.src == name || s.src == '*') &&
				(isForwarding && s.dest == '*' || s.dest != name && facing.indexOf(s.dest) >= 0);
		});
	});
}

// The names among those of section main that are neither a network of this router nor a device of one.
function unknown(named, network, dump) {
	const known = network.filter(function(s) { return s['.type'] == 'interface'; }).map(function(s) { return s['.name']; });

	dump.forEach(function(i) { known.push(i.interface, i.device, i.l3_device); });

	return named.filter(function(n) { return known.indexOf(n) < 0; });
}

// Addresses of a network: IPv4, IPv6, and those that it has out of prefixes.
function addressesOf(i) {
	return (i['ipv4-address'] || []).concat(i['ipv6-address'] || []).map(function(a) { return a.address; }).concat(
		(i['ipv6-prefix-assignment'] || []).map(function(p) { return (p['local-address'] || {}).address; })).filter(Boolean);
}

// Those of the interfaces of ubus that are of some networks, or on the same device as one of them: such as wan_6, which
// wan makes by itself. The plugin of rpcd has the same rule, and the tests of both read one table.
function interfacesOf(dump, networks) {
	const devices = dump.filter(function(i) { return networks.indexOf(i.interface) >= 0 && i.l3_device; }).map(function(i) { return i.l3_device; });

	return dump.filter(function(i) { return networks.indexOf(i.interface) >= 0 || devices.indexOf(i.l3_device) >= 0; });
}

// The addresses that face the Internet: [{ address, kind, isFixed }]. dump are the interfaces of ubus.
function facing(dump, networks, network) {
	const seen = {};

	return interfacesOf(dump, networks).reduce(function(all, i) {
		const section = network.find(function(s) { return s['.name'] == i.interface; }) || {};

		return all.concat((i['ipv4-address'] || []).concat(i['ipv6-address'] || []).map(function(a) {
			return { address: a.address, kind: kind(a.address), isFixed: section.proto == 'static' };
		}));
	}, []).filter(function(a) {
		return a.kind != 'nobody' && !seen[a.address] && (seen[a.address] = true);
	});
}

// The router's situation: { id, address, six }. id: 'open' the Internet reaches it over IPv4; 'behind' another
// router, or 'carrier', a provider's translation, stands before it at address; 'six' IPv6 only; 'offline'.
// six: whether IPv6 reaches it.
function situation(addresses) {
	const four = addresses.filter(function(a) { return !isIPv6(a.address); });
	const six = addresses.some(function(a) { return isIPv6(a.address) && a.kind == 'public'; });
	const find = function(k) { return four.find(function(a) { return a.kind == k; }); };
	const first = find('public') || find('private') || find('carrier');

	if (first)
		return { id: { 'public': 'open', 'private': 'behind', 'carrier': 'carrier' }[first.kind], address: first.address, six: six };

	return { id: six ? 'six' : 'offline', address: '', six: six };
}

function offlineSentence() {
	return _('The router has no address that faces the Internet at the moment.');
}

// The situation in words: { level: 'good'|'warn'|'bad', text, todo }.
function describe(s) {
	const say = function(level, sentence, todo) {
		return { level: level, text: text.say(sentence, { address: s.address }), todo: todo };
	};

	switch (s.id) {
	case 'open':
		return say('good', _('The Internet reaches this router at {address}.'));
	case 'behind':
		return say('warn', _('Another router stands in front: this one has the private address {address}.'),
			_('Let the router in front forward these ports to this address. Without that, no knock arrives.'));
	case 'carrier':
		return say('bad', _('Your provider shares its IPv4 addresses: {address} cannot be reached from the Internet, and no setting here changes that.'),
			s.six ? _('IPv6 reaches this router: it works where the client has IPv6, too, for doors that have an IPv6 address.')
				: _('Ask your provider for a public IPv4 address, or for IPv6.'));
	case 'six':
		return say('warn', _('The Internet reaches this router over IPv6 only.'),
			_('It works where the client has IPv6, too, for doors that have an IPv6 address.'));
	}

	return say('bad', offlineSentence(), _('Is it connected? Which networks count is set under Settings.'));
}

// Whether a name leads here, by what the router's name server says: { level, text, todo }. answer:
// { addresses } or { error, hint }; own are all addresses that the router has.
function judge(host, answer, s, own) {
	const found = answer.addresses || [];
	const values = { host: host, address: s.address, addresses: text.list(found) };
	const say = function(level, sentence, todo) { return { level: level, text: text.say(sentence, values), todo: todo }; };
	const others = found.filter(function(a) { return own.indexOf(a) < 0; });

	if (answer.error)
		return { level: 'warn', text: _('The name was not checked.'), todo: answer.error };
	if (!found.length)
		return say('bad', _('The router’s name server knows no address of {host}.'),
			_('Is it spelled right? A name of dynamic DNS appears some minutes after it was set up.'));
	if (!others.length)
		return (s.id == 'carrier' && !found.some(isIPv6)) ? say('bad', _('{host} leads to {addresses}, which the Internet cannot reach.'))
			: say('good', _('{host} leads to this router: {addresses}.'));
	values.addresses = text.list(others);
	if (others.length < found.length)
		return say('warn', _('{host} leads to this router, but also to {addresses}, which is not this router.'),
			_('Clients may try the wrong one: take it out of the name’s records.'));
	if (!others.some(isPublic))
		return say('warn', _('At home, {host} leads to {addresses}. The router cannot tell where it leads from outside.'));
	if (s.id == 'behind')
		return say('good', _('{host} leads to {addresses}. That has to be the router in front, which this one cannot check.'));

	return say('bad', s.address ? _('{host} leads to {addresses}, but this router has {address}.') : _('{host} leads to {addresses}, which is not this router.'),
		_('If the name belongs to dynamic DNS, see whether that service is running.'));
}

// Ports as an owner types them into another router: [ first, last ] or one.
function row(proto, ports, what) {
	return { proto: proto, ports: String(ports).replace(/:/g, '-'), what: what };
}

function stepRows(sequence) {
	const steps = syntax.words(sequence.step).concat(syntax.words(sequence.once));

	return [ 'tcp', 'udp' ].map(function(proto) {
		const ports = steps.map(function(s) { return s.match(/^(\d+)\/(tcp|udp)/); })
			.filter(function(m) { return m && m[2] == proto; }).map(function(m) { return m[1]; });

		return ports.length ? row(proto.toUpperCase(), ports.filter(function(p, i) { return ports.indexOf(p) == i; }).join(', '),
			text.say(_('the sequence {name}'), { name: sequence.title || sequence['.name'] })) : null;
	}).filter(Boolean);
}

// A row for each protocol of a door, or one for both where they have the same ports.
function doorRows(d) {
	const what = text.say(_('the door {name}'), { name: door.title(d) });
	const all = [ 'tcp', 'udp' ].map(function(proto) {
		return door.openings(d).filter(function(o) { return o.protos.indexOf(proto) >= 0; }).map(function(o) { return door.rangeText(o.outside); }).join(', ');
	});

	if (all[0] == all[1] || !door.openings(d).length)
		return [ row(door.protocols(d).map(function(p) { return p.toUpperCase(); }).join('/'), all[0] || '?', what) ];

	return [ 'TCP', 'UDP' ].map(function(proto, i) { return all[i] && row(proto, all[i], what); }).filter(Boolean);
}

// What a router in front has to forward to this one: [{ proto, ports, what }]. c: { main, doors, sequences,
// ordered }, the sections as they will be.
function forwards(c) {
	const on = function(s) { return syntax.isOn(s.enabled, true); };
	const out = [];

	const stun = syntax.words(c.main.stun_port).filter(function(port) { return port != '0'; });

	if (stun.length)
		out.push(row('UDP', stun.join(', '), _('knocks')));
	if (c.main.ports)
		out.push(row('TCP', c.main.ports, _('knocks')));
	c.ordered.forEach(function(p) {
		out.push(row('TCP', [ p.ports ].concat(syntax.words(p.header), syntax.words(p.footer)).filter(Boolean).join(', ').replace(/,\s*/g, ', '), _('knocks')));
	});
	if (c.main.spa_port && c.main.spa_port != '0')
		out.push(row('UDP', c.main.spa_port, _('knocks of fwknop')));
	c.sequences.filter(on).forEach(function(s) { out.push.apply(out, stepRows(s)); });
	c.doors.filter(on).forEach(function(d) {
		out.push.apply(out, doorRows(d));
	});

	return out;
}

return baseclass.extend({
	kind: kind,
	isPublic: isPublic,
	isIPv6: isIPv6,
	isAddress: isAddress,
	publicName: publicName,
	ddnsName: ddnsName,
	withName: withName,
	zonesOf: zonesOf,
	outside: outside,
	strangers: strangers,
	unknown: unknown,
	addressesOf: addressesOf,
	interfacesOf: interfacesOf,
	facing: facing,
	situation: situation,
	describe: describe,
	judge: judge,
	forwards: forwards
});
