// SPDX-License-Identifier: Apache-2.0

// A router on which everything that somebody else may have written is hostile: HTML, entities,
// quotes, marks of direction. Each text ends with the name of its field in braces.

const HTML = '<img class=evil src=/evil onerror="evil=1"><script>evil=1</script>&lt;img class=evil src=/evil onerror=evil=1&gt;&amp;lt;b class=evil&amp;gt;"\'&amp;';
const BIDI = '\u202e\u05d0\u200b\x1b';

export const bad = field => HTML + BIDI + '{' + field + '}';

// As it has to be on the screen.
export const shown = field => HTML + '[U+202E]\u05d0[U+200B][U+001B]{' + field + '}';

// Without spaces, where they end a word.
const joined = field => bad(field).replace(/\s/g, '/');

// Of values that LuCI's own widgets show, which isolate nothing.
const html = field => HTML + '{' + field + '}';

const NOW = '2026-11-22T12:00:00Z';

const status = {
	version: '1', running: true, enabled: true, now: NOW, since: NOW, run: 'r', clock: bad('clock'), cut: bad('status.cut'), problem: bad('status.problem'), packets: 1, last: 9,
	devices: [ { name: bad('device.up'), state: 'up' }, { name: bad('device.missing'), state: 'missing' }, { name: bad('device.down'), state: 'down', problem: bad('device.problem') } ],
	doors: [
		{ name: 'nas', title: bad('door.title'), state: 'ready', open_for: 600, max_open: 3600,
			grants: [ { address: bad('grant.address'), until: NOW, left: 60, client: 'anna', knock: 'sequence ' + bad('grant.knock') },
				{ address: '203.0.113.9', until: NOW, left: 60, client: bad('grant.client'), knock: bad('grant.other') } ] },
		{ name: bad('door.name'), state: bad('door.state'), open_for: 60, max_open: 60, grants: [] },
		{ name: 'torn', title: 'torn', state: 'broken', reason: bad('door.reason'), open_for: 60, max_open: 60, grants: [] },
		{ name: 'zoneless', title: 'zoneless', state: 'broken', reason: 'the firewall has no zone \'' + bad('door.zone').replace(/'/g, '’') + '\'', open_for: 60, max_open: 60, grants: [] }
	],
	clients: [ { name: 'anna', title: bad('client.title'), kind: bad('client.kind'), state: bad('client.state'), doors: [ 'nas', joined('client.door') ], last: NOW, expires: '2027-01-01T00:00:00Z' } ]
};

const off = { running: false, enabled: true, reason: bad('status.reason'), devices: [], doors: [], clients: [] };

const event = (number, kind, more) => Object.assign({ number, time: NOW, kind }, more);
const everything = kind => ({ kind, door: bad(kind + '.door'), client: bad(kind + '.client'), address: bad(kind + '.address'), knock: 'sequence ' + bad(kind + '.knock'),
	detail: bad(kind + '.detail'), reason: bad(kind + '.reason') });

export const KINDS = [ 'opened', 'extended', 'closed', 'expired', 'refused', 'pending', 'ready', 'broken', 'link', 'reload', 'started', 'trouble', 'new-kind' ];

const events = KINDS.map((kind, i) => event(i + 1, kind, everything(kind))).concat([
	event(20, bad('event.kind'), {}),
	event(21, 'refused', { reason: bad('reason.alone') }),
	event(22, 'refused', { reason: 'not-allowed', address: '2001:db8::7', detail: 'leads nowhere ' + bad('x') }),
	event(23, 'link', { detail: 'device ' + bad('link.device').replace(/\s/g, '/') + ' is up' })
]);

const section = (type, name, options) => ({ [name]: Object.assign({ '.name': name, '.type': type, '.anonymous': false }, options) });

const configs = {
	latchkey: Object.assign({},
		section('latchkey', 'main', { enabled: '1', ports: '1024-7167', stun_port: '41641', interface: [ 'wan', html('main.interface').replace(/\s/g, '/') ], spa_port: '62201', host: 'home.example.net' }),
		section('door', 'nas', { title: bad('uci.door.title'), src: 'wan', proto: [ 'tcp' ], port: '2022', dest: 'lan', dest_ip: '192.168.1.100', dest_port: '22', open_for: '10m', wake: '00:11:22:33:44:55' }),
		section('door', 'odd', { title: bad('uci.other.title'), proto: html('proto').replace(/\s/g, '/'), port: html('port'), dest_ip6: html('dest_ip6'), open_for: html('open_for'), dest_ip: html('dest_ip') }),
		section('door', 'twin', { title: 'twin', proto: 'tcp', port: '2022' }),
		section('client', 'anna', { title: bad('uci.client.title'), kind: html('kind'), key: 'k', door: [ 'nas', joined('uci.client.door') ], expires: '2027-01-01' }),
		section('sequence', 'home', { step: [ '7000/tcp', html('step').replace(/\s/g, '/') ], within: html('within'), door: [ 'nas', joined('uci.sequence.door') ], client: 'anna' }),
		section('sequence', 'once', { once: [ html('once') ], door: 'nas' })),
	firewall: Object.assign({},
		section('defaults', 'd', { input: 'REJECT', forward: 'REJECT' }),
		section('zone', 'z', { name: bad('zone.name'), network: [ 'wan' ], input: 'REJECT', forward: 'DROP' }),
		section('zone', 'x', { name: bad('zone.inside'), network: [ 'lan' ] }),
		section('zone', 'y', { name: 'wan', network: [ 'wan' ], input: 'DROP', forward: 'DROP' }),
		section('rule', 'r', { name: bad('rule.name'), src: 'wan', proto: 'tcp', dest_port: html('rule.port').replace(/\s/g, '/'), target: 'ACCEPT', dest: bad('rule.dest') }),
		section('rule', 'q', { name: bad('rule.open'), src: 'wan', proto: 'tcp', dest: 'lan', dest_port: '22', target: 'ACCEPT' }),
		section('redirect', 'f', { name: bad('redirect.name'), src: 'wan', src_dport: '2022', dest_ip: bad('redirect.dest_ip'), proto: 'tcp', target: 'DNAT' })),
	system: section('system', 's', { hostname: bad('hostname') }),
	ddns: {}, dropbear: {}, uhttpd: {}, network: section('interface', 'lan', { ipaddr: '192.168.1.1' }), luci: section('core', 'main', {})
};

const hints = { 'AA:00:00:00:00:01': { name: bad('lease'), ipaddrs: [ '192.168.1.100' ] }, 'AA:00:00:00:00:02': { name: 'nas', ipaddrs: [ html('host.address') ] } };

const refused = name => ({ error: bad(name + '.error'), hint: bad(name + '.hint') });

// What ubus answers. mode: { off, refuse, warn, translate, failing: 'object method' }
export function router(mode = {}) {
	return (object, method, args) => {
		if (mode.failing == object + ' ' + method + (args.config ? ' ' + args.config : ''))
			return { rpc: { code: -32000, message: bad('rpc.message') } };
		switch (object + ' ' + method) {
		case 'latchkey status': return mode.off ? off : status;
		case 'latchkey events': return { events };
		case 'latchkey check':
			return { problems: (mode.refuse ? [ { text: bad('check.error'), line: 3, section: bad('a'), option: bad('b') } ] : [])
				.concat([ { text: bad('check.warning') + ' (line 4)', line: 4, warning: true } ]) };
		case 'latchkey import':
			return mode.translate ? { config: '# ' + bad('import.comment') + '\nconfig door \'web\'\n\toption title "t"\n\toption proto \'tcp\'\n\toption port \'443\'\n\toption dest_ip \'10.0.0.1\'\n' +
				'config sequence \'knocks\'\n\tlist step \'<img/class=evil/src=/evil>{import.step}\'\n' } : refused('import');
		case 'latchkey offer': return mode.offer ? { address: 'javascript:evil=1//' + bad('offer.address'), minutes: bad('offer.minutes'),
			warnings: [ { word: 'constructor', text: bad('offer.warning') }, { word: 'may-change', text: '' } ] } : refused('offer');
		case 'latchkey link': return refused('link');
		case 'latchkey open': case 'latchkey close': case 'latchkey forget': case 'latchkey silence': return refused(method);
		case 'uci get': return args.config in configs ? { values: configs[args.config] } : { code: 4 };
		case 'uci apply': return { rpc: { code: -32000, message: bad('apply.message') } };
		case 'luci-rpc getHostHints': return hints;
		case 'network.interface dump': return { interface: [ { interface: 'lan', up: true, l3_device: 'br-lan', 'ipv4-address': [ { address: '192.168.1.1', mask: 24 } ] }, { interface: 'wan', up: true, l3_device: 'eth1', 'ipv4-address': [ { address: '203.0.113.1', mask: 24 } ] } ] };
		case 'latchkey.network resolve': return { addresses: [ bad('resolved') ] };
		case 'latchkey.network leases': return { leases: [ { address: '192.168.1.100', mac: 'aa', name: bad('lease.name'), reserved: false } ] };
		case 'latchkey.network reserve': return refused('reserve');
		case 'session access': return { access: true };
		case 'luci getFeatures': return {};
		default: return {};
		}
	};
}
