// SPDX-License-Identifier: Apache-2.0

// The tab Settings and the list of doors as a LuCI page shows them, on routers of all kinds. The same test
// runs on LuCI's own files, see text.test.mjs.

import test, { before, after, describe } from 'node:test';
import assert from 'node:assert/strict';
import { executable, launch, accessibility, overflow, screenshot } from '../lib/browser.mjs';
import { openView, REAL } from '../lib/luci.mjs';

const section = (type, name, options) => ({ [name]: Object.assign({ '.name': name, '.type': type, '.anonymous': false }, options) });
const net = (name, device, address, more) => Object.assign({ interface: name, up: true, device, l3_device: device, 'ipv4-address': [ { address, mask: 24 } ] }, more);

const LAN = net('lan', 'br-lan', '192.168.1.1');
const NOW = '2026-11-22T12:00:00Z';

// A router with a WAN of another name. more may change { main, latchkey, dump, ddns, firewall, names, status }.
function router(more = {}) {
	const configs = {
		latchkey: Object.assign(section('latchkey', 'main', Object.assign({ enabled: '1', stun_port: '41641', ports: '20480-26623' }, more.main)),
			section('door', 'nas', { title: 'NAS – SSH', proto: 'tcp', port: '2222', dest: 'lan', dest_ip: '192.168.1.100' }), section('door', 'web', { title: 'Web', port: '443' }),
			section('door', 'lost', { title: 'Lost', port: '444', src: 'gone' }), section('door', 'new', { title: 'New', port: '445' }), section('client', 'anna', { title: 'Anna', door: 'nas', key: 'k' }), more.latchkey),
		firewall: Object.assign(section('zone', 'z', { name: 'wan', network: [ 'modem', 'wwan' ], masq: '1' }), section('zone', 'y', { name: 'lan', network: [ 'lan' ] }), more.firewall),
		network: Object.assign(section('interface', 'lan', { proto: 'static', ipaddr: '192.168.1.1' }), section('interface', 'modem', { proto: 'dhcp' }), section('interface', 'wwan', { proto: 'qmi' })),
		system: section('system', 's', { hostname: 'attic' }), ddns: more.ddns || {}, dropbear: {}, uhttpd: {}, wireless: {}, luci: section('core', 'main', {})
	};
	const dump = [ LAN ].concat(more.dump || [ net('modem', 'eth1', '203.0.113.1') ]);
	const status = { running: true, enabled: true, now: NOW, since: NOW, clock: 'synchronised', clock_reason: 'ntp', devices: [ { name: 'eth1', state: 'up' } ], clients: [], doors: [
		{ name: 'nas', state: 'ready', open_for: 600, max_open: 600, grants: [ { address: '203.0.113.9', left: 581, until: NOW } ] },
		{ name: 'web', state: 'ready', open_for: 600, max_open: 600, grants: [] },
		{ name: 'lost', state: 'broken', reason: 'the firewall has no zone \'gone\'', open_for: 600, max_open: 600, grants: [] } ] };

	return (object, method, args) => {
		switch (object + ' ' + method) {
		case 'latchkey status': return more.status ?? status;
		case 'latchkey check': return { problems: [] };
		case 'latchkey.network resolve': return (more.names || {})[args.host] ?? { addresses: [] };
		case 'latchkey.network leases': return { leases: [] };
		case 'uci get': return args.config in configs ? { values: configs[args.config] } : { code: 4 };
		case 'network.interface dump': return { interface: dump };
		case 'session access': return { access: true };
		default: return {};
		}
	};
}

describe('settings on ' + (REAL ? 'LuCI’s own files' : 'the stand-in for LuCI') + ' in Chromium', { skip: executable() ? false : 'SKIP: no Chromium on this machine (set CHROMIUM to its path)' }, () => {
	let browser;

	before(async () => { browser = await launch(); });
	after(() => browser.close());

	async function on(view, more, body, options = {}) {
		const v = await openView(browser, 'view.latchkey.' + view, { answer: router(more), ...options });

		try {
			await body(v.page);
			assert.deepEqual(v.wrong, []);
		}
		finally {
			await v.close();
		}
	}
	const facts = page => page.locator('.lk-fact strong').allTextContents();
	const conflicts = page => page.locator('.lk-conflict').evaluateAll(all => all.map(c => c.lastChild.textContent));

	test('a WAN of any name counts, and the page says so', () => on('settings', {}, async page => {
		assert.equal(await page.getByText('Now: modem and wwan.').count(), 1);
		assert.ok((await facts(page)).includes('The Internet reaches this router at 203.0.113.1.'));
		assert.deepEqual(await conflicts(page), []);
	}));

	test('an interface that nobody knows is told beside a good one', () => on('settings', { main: { interface: [ 'modem', 'modem2' ] } }, async page => {
		assert.deepEqual(await conflicts(page), [ 'There is no network modem2, so no knock can arrive there. Saving this page takes it out.' ]);
		assert.equal(await page.getByText(/^Now:/).count(), 0);
	}));

	test('another router in front is told what to forward', () => on('settings', { main: { spa_port: '62201' }, dump: [ net('modem', 'eth1', '192.168.0.2') ] }, async page => {
		assert.deepEqual(await page.locator('.lk-ports tbody tr').evaluateAll(rows => rows.map(r => [ ...r.cells ].map(c => c.textContent).join(' '))),
			[ 'UDP 41641 knocks', 'TCP 20480-26623 knocks', 'UDP 62201 knocks of fwknop', 'TCP 2222 the door NAS – SSH', 'TCP 443 the door Web', 'TCP 444 the door Lost', 'TCP 445 the door New' ]);
	}));

	test('a provider’s shared address is told to be hopeless', () => on('settings', { dump: [ net('modem', 'eth1', '100.64.3.4') ] }, async page => {
		assert.match((await facts(page))[0], /^Your provider shares its IPv4 addresses: 100\.64\.3\.4/);
		assert.equal(await page.locator('.lk-ports').count(), 0);
	}));

	test('a name that leads elsewhere is told, and one that was typed is looked up', () => on('settings', {
		main: { host: 'old.example' }, names: { 'old.example': { addresses: [ '198.51.100.5' ] }, 'new.example': { addresses: [ '203.0.113.1' ] } }
	}, async page => {
		const name = page.getByLabel('Public name of the router');

		await page.getByText('old.example leads to 198.51.100.5, but this router has 203.0.113.1.').waitFor();
		await name.fill('new.example');
		await name.blur();
		await page.getByText('new.example leads to this router: 203.0.113.1.').waitFor();
		assert.equal(await page.getByText(/^old\.example leads/).count(), 0);
	}));

	test('the name of dynamic DNS is taken over at a press', () => on('settings', {
		ddns: section('service', 'mine', { enabled: '1', lookup_host: 'mine.example' }), names: { 'mine.example': { addresses: [ '203.0.113.1' ] } }
	}, async page => {
		await page.getByRole('button', { name: 'Use it' }).click();
		assert.equal(await page.getByLabel('Public name of the router').inputValue(), 'mine.example');
		await page.getByText('mine.example leads to this router: 203.0.113.1.').waitFor();
	}));

	test('ports that collide are told as they are typed, and so are clients that know the old ones', () => on('settings', {
		latchkey: Object.assign(section('door', 'vpn', { title: 'VPN', proto: 'udp', port: '51820' }), section('sequence', 'home', { step: [ '7000/udp' ] }))
	}, async page => {
		const type = async (label, value) => {
			await page.getByLabel(label).fill(value);
			await page.getByLabel(label).press('End'); // LuCI validates at keys
		};
		const port = value => type('UDP ports of knocks', value);

		await port('51820');
		assert.deepEqual(await conflicts(page), [ 'Door “VPN” uses this port already.', 'Clients that are set up know the old ports: show each of them a new code.' ]);
		await port('70000');
		assert.deepEqual(await conflicts(page), []);
		await port('41641');
		assert.deepEqual(await conflicts(page), []);
		await port('41641 51820 443');
		assert.deepEqual(await conflicts(page), [ '51820: Door “VPN” uses this port already.' ]);
		await port('1 2 3 4 5');
		assert.deepEqual(await conflicts(page), []);
		await port('41641 443');
		assert.deepEqual(await conflicts(page), []);
		await type('TCP ports of knocks', '1-6144');
		assert.deepEqual((await conflicts(page)).slice(1), [ 'Door “NAS – SSH” uses a port of these.', 'Door “Web” uses a port of these.', 'Door “Lost” uses a port of these.', 'Door “New” uses a port of these.',
			'Clients that are set up know the old ports: show each of them a new code.' ]);
	}));

	test('the list of doors says open with its time, closed, broken and why, and what is not in force', () => on('doors', {}, async page => {
		const states = await page.locator('[data-state-of]').evaluateAll(all => all.map(c => [ c.getAttribute('data-state-of'), c.querySelector('.lk-badge, em').textContent ].join(': ')));

		assert.deepEqual(states, [ 'nas: open', 'web: closed', 'lost: cannot be opened', 'new: not in force yet' ]);
		assert.match(await page.locator('[data-state-of=nas] time').textContent(), /^[89]:\d\d$/);
		assert.equal(await page.getByText('The firewall has no zone gone. Choose another one in the door’s advanced settings.').count(), 1);
	}));

	test('a door says who gets in besides the address that knocked', () => on('doors', {}, async page => {
		await page.getByRole('button', { name: 'Edit', exact: true }).first().click();
		for (const words of [ 'Only the address that knocked (32)', 'All 256 addresses around it (24)', 'Only the address that knocked (128)', 'Its network (64)', 'whoever has them', 'usually one phone or household' ])
			assert.equal(await page.getByText(words).count(), 1, words);
	}));

	for (const [ what, status, word ] of [ [ 'off', { running: false, enabled: false, doors: [] }, 'closed' ], [ 'hung', { error: 'latchkeyd did not answer' }, 'not known' ] ])
		test('the list of doors while the daemon is ' + what, () => on('doors', { status }, async page =>
			assert.deepEqual(new Set(await page.locator('[data-state-of]').allTextContents()), new Set([ word ]))));

	for (const [ size, dark ] of [ [ 'desktop', false ], [ 'phone', true ] ])
		test(`settings are accessible and fit: ${size} ${dark ? 'dark' : 'light'}`, { skip: REAL ? 'the look is that of a theme' : false }, () => on('settings', {
			main: { interface: [ 'modem', 'modem2' ], host: 'home.example.net', stun_port: '51820' }, dump: [ net('modem', 'eth1', '192.168.0.2') ], names: { 'home.example.net': { addresses: [ '198.51.100.5' ] } },
			latchkey: section('door', 'vpn', { title: 'VPN', proto: 'udp', port: '51820' })
		}, async page => {
			await page.getByText('home.example.net leads to').waitFor();
			await screenshot(page, 'settings-' + size);
			assert.deepEqual(await accessibility(page, '.lk'), []);
			assert.ok(await overflow(page) <= 0, 'wider than the screen by ' + await overflow(page) + ' px');
		}, { size, dark }));

	test('an account that may only look sees no settings', () => on('settings', {}, async page => {
		assert.equal(await page.getByText('Only accounts that may change the settings can see them.').count(), 1);
		assert.equal(await page.locator('#view input, #view select').count(), 0);
	}, { writer: false }));
});
