// SPDX-License-Identifier: Apache-2.0

// First use, opening and closing, editing, the stealth check and the read-only account, on a real
// router with luci-app-latchkey and latchkey installed. It puts back what it changes.
//
//	LUCI_URL=http://192.168.1.1 LUCI_PASSWORD=... [LUCI_VIEWER=name:password] npm run e2e

import test, { describe, after } from 'node:test';
import assert from 'node:assert/strict';
import { launch, overflow } from '../lib/browser.mjs';
import { settings, LuCI } from './luci.mjs';

const DOOR = 'End to end ' + Date.now() % 100000;
const CLIENT = 'Test client ' + Date.now() % 100000;
const ADDRESS = '203.0.113.7';
const TABS = [ 'overview', 'doors', 'clients', 'sequences', 'events', 'stealth', 'settings' ];

// Without a router there is nothing to test: one clear line, not a failure of each test.
async function connect() {
	let browser;

	try {
		const s = settings(process.env);

		browser = await launch();

		const luci = await LuCI.login(browser, s, 'root', s.password);

		if ((await luci.ubus('latchkey', 'status')).code != 0)
			throw new Error('ubus has no object "latchkey": is the package installed, and was rpcd reloaded?');

		return { s, browser, luci };
	}
	catch (err) {
		await browser?.close();
		console.error('e2e: ' + err.message);
		process.exit(1);
	}
}

const { s, browser, luci } = await connect();

describe('on a real router', { timeout: 600000 }, () => {
	const page = luci.page;
	let door, client, key;

	after(() => browser.close());

	const status = async () => (await luci.ubus('latchkey', 'status')).data;
	const doorState = async () => (await status()).doors?.find(d => d.name == door);
	const sections = async (config, type) => Object.values((await luci.ubus('uci', 'get', { config })).data.values).filter(x => x['.type'] == type);

	test('first use leads to the code', async () => {
		await luci.go('overview');
		await page.getByRole('button', { name: /Set up the first door|Set up another door…/ }).click();
		await page.getByLabel('Where does the door lead?').selectOption({ label: 'Another address…' });
		await page.getByLabel('Its address').fill('192.168.1.22');
		await page.getByLabel('To which service?').selectOption('own');
		await page.getByLabel('Port of the service').fill('2222');
		await page.getByRole('button', { name: 'Next' }).click();
		await page.getByLabel('Name of the client').fill(CLIENT);
		await page.getByLabel('Public name of the router').fill('home.example.net');
		assert.deepEqual(await luci.accessibility(), []);
		await page.getByRole('button', { name: 'Save and show the code' }).click();
		await page.getByRole('img', { name: 'QR code for the client' }).locator('svg').waitFor({ timeout: 120000 });
		assert.deepEqual(await luci.accessibility(), []);

		await page.getByRole('button', { name: 'Show the link itself' }).click();

		const link = new URL(await page.getByLabel('Link', { exact: true }).inputValue());
		const parts = new URLSearchParams(link.hash.slice(1));

		assert.equal(link.pathname, '/latchkey/');
		assert.equal(parts.get('h'), 'home.example.net');
		key = parts.get('k');
		door = parts.get('d');
		assert.equal(Buffer.from(key, 'base64url').length, 32);
		client = (await sections('latchkey', 'client')).find(c => c.title == CLIENT);
		assert.equal(client.key, key);
		await pickUp((await page.getByLabel('Command line').inputValue()).replace('latchkey add ', ''));
		await page.getByRole('button', { name: 'Done' }).click();
	});

	// The page gets its link by a code, as somebody who did not log in, and once.
	async function pickUp(address) {
		const context = await browser.newContext({ ignoreHTTPSErrors: true });

		for (const expected of [ door, null ]) {
			const phone = await context.newPage();

			await phone.goto(address);
			if (expected)
				await phone.locator('.door[data-door="' + expected + '"]').waitFor();
			else
				await phone.getByText('This code was used or is too old').waitFor();
			assert.ok(!phone.url().includes('#'), 'the code stands in the address');
			await phone.close();
		}
		await context.close();
	}

	test('the daemon has the door, closed, and nothing is left to apply', async () => {
		await luci.until('the door is ready', async () => (await doorState())?.state == 'ready');
		assert.deepEqual((await doorState()).grants, []);
		assert.deepEqual((await luci.ubus('uci', 'changes', { config: 'latchkey' })).data.changes ?? [], []);
	});

	test('it opens for an address and closes, from the page', async () => {
		await luci.go('overview');

		const title = (await doorState()).title;
		const card = page.getByRole('article', { name: title });

		await card.getByRole('button', { name: /^Open for an address/ }).click();
		await page.getByLabel('Address', { exact: true }).fill('nonsense');
		await page.getByRole('button', { name: 'Open', exact: true }).click();
		await page.getByRole('alert').getByText('not an IP address').waitFor();
		await page.getByLabel('Address', { exact: true }).fill(ADDRESS);
		await page.getByRole('button', { name: 'Open', exact: true }).click();
		await card.getByText(ADDRESS).waitFor();
		assert.match(await card.locator('time').first().textContent(), /^\d+:\d\d$/);
		assert.deepEqual((await doorState()).grants.map(g => g.address), [ ADDRESS ]);

		await luci.go('status/overview');
		await page.getByRole('article', { name: title }).getByText(ADDRESS).waitFor();

		await luci.go('overview');
		await card.getByRole('button', { name: /^Close now/ }).click();
		await page.getByRole('button', { name: 'Close', exact: true }).click();
		await card.getByText(ADDRESS).waitFor({ state: 'detached' });
		assert.deepEqual((await doorState()).grants, []);
		await luci.go('events');
		await page.locator('.lk-event').filter({ hasText: title }).filter({ hasText: ADDRESS }).first().waitFor();
	});

	test('who was in stands in the picture and its table, of a day and of a week', async () => {
		await luci.go('overview');

		const title = (await doorState()).title;
		const visit = page.locator('.lk-tl-visit[data-say*="' + ADDRESS + '"]');

		for (const span of [ '24 hours', '7 days' ]) {
			await page.getByRole('button', { name: span }).click();
			await visit.first().waitFor();
			assert.match(await visit.last().getAttribute('data-say'), /The owner/);
		}
		await page.getByText('As a table').click();
		await page.locator('.lk-tl-table tr').filter({ hasText: title }).filter({ hasText: ADDRESS }).first().waitFor();
		assert.deepEqual(await luci.accessibility(), []);
	});

	test('a file of knockd is shown before it is taken over, and nothing that runs is switched off', async () => {
		const name = 'e2e_' + Date.now() % 100000;
		const conf = `[${name}]\n\tsequence = 4021,5177,6903\n\tseq_timeout = 15\n\tcommand = iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT\n[mail]\n\tsequence = 4022,5178,6904\n\tcommand = /root/mail.sh\n`;

		await luci.go('sequences');
		await page.getByRole('button', { name: 'Import from knockd or fwknop…' }).click();
		await page.getByLabel('A file').setInputFiles({ name: 'knockd.conf', mimeType: 'text/plain', buffer: Buffer.from(conf) });
		await page.getByText('Read as knockd.conf.').waitFor();
		await page.locator('.lk-preview').getByText('mail.sh').waitFor();
		assert.deepEqual(await luci.accessibility(), []);

		const reloaded = page.waitForEvent('load');

		await page.getByRole('button', { name: 'Take over' }).click();
		await reloaded;

		const changes = (await luci.ubus('uci', 'changes', { config: 'latchkey' })).data.changes;

		try {
			assert.ok(changes.some(c => c[0] == 'add' && c[1] == name), JSON.stringify(changes));
			assert.ok(!changes.some(c => c[1] == 'main' && c[2] == 'enabled'), JSON.stringify(changes));
			assert.equal((await status()).running, true);
		}
		finally {
			await luci.ubus('uci', 'revert', { config: 'latchkey' });
		}
	});

	test('a door is edited with validation as one types, and applied', async () => {
		await luci.go('doors');
		await page.locator('[data-section-id="' + door + '"], #cbi-latchkey-' + door).getByRole('button', { name: 'Edit' }).click();

		const port = page.locator('.modal [data-name=port] input');
		const title = page.locator('.modal [data-name=title] input');

		await port.fill('70000');
		await port.blur();
		assert.match(await port.getAttribute('class'), /cbi-input-invalid/);
		await port.fill('8022');
		await port.blur();
		assert.doesNotMatch(await port.getAttribute('class'), /cbi-input-invalid/);
		await title.fill(DOOR);
		await page.locator('.modal').getByRole('button', { name: 'Save' }).click();
		await page.locator('.modal [data-name=port]').waitFor({ state: 'hidden' });
		await page.getByText(DOOR).first().waitFor();
		await luci.saveAndApply();
		await luci.until('the daemon knows the new title', async () => (await doorState())?.title == DOOR);
		assert.equal((await sections('latchkey', 'door')).find(d => d['.name'] == door).port, '8022');
	});

	test('the settings are changed on their page, the switch too', async () => {
		const main = async () => (await sections('latchkey', 'latchkey'))[0];
		const log = page.locator('[data-name=log_level] select'), on = page.locator('[data-name=enabled] input[type=checkbox]'), name = page.locator('[data-name=host] input');
		const before = await main();

		assert.equal(before.host, 'home.example.net', 'the wizard keeps the name');
		await luci.go('settings');
		await page.locator('.lk-banner .lk-fact').first().waitFor();
		assert.equal(await name.inputValue(), 'home.example.net');
		await page.locator('.lk-verdict .lk-fact').waitFor(); // whatever a name server says of this name
		await name.fill('not a name');
		await name.blur();
		assert.match(await name.getAttribute('class'), /cbi-input-invalid/);
		await name.fill('');
		await log.selectOption('warn');
		await on.uncheck();
		await luci.saveAndApply();
		await luci.until('the daemon is off', async () => (await status()).running === false);
		assert.deepEqual([ (await main()).enabled, (await main()).log_level, (await main()).host ], [ '0', 'warn', undefined ]);
		assert.deepEqual([ (await main()).stun_port, (await main()).ports, (await main()).interface ], [ before.stun_port, before.ports, before.interface ]);

		await luci.go('settings');
		await log.selectOption(before.log_level ?? 'info');
		await on.check();
		await luci.saveAndApply();
		await luci.until('the daemon is back', async () => (await status()).running === true);
	});

	test('no key is on the pages', async () => {
		for (const tab of TABS) {
			await luci.go(tab);
			assert.ok(!(await page.content()).includes(key), 'the key stands on ' + tab);
		}
	});

	test('the stealth check changes one setting after showing it', async t => {
		await luci.go('stealth');

		const rule = (await sections('firewall', 'rule')).find(r => r.name == 'Allow-Ping' && r.enabled != '0');

		if (!rule)
			return t.skip('SKIP: this router has no active rule Allow-Ping to switch off and on again');

		await page.locator('[data-id="ping-' + rule['.name'] + '"]').getByRole('button').click();
		assert.deepEqual(await page.locator('.lk-diff ins').allTextContents(), [ 'enabled = 0' ]);
		assert.equal((await sections('firewall', 'rule')).find(r => r.name == 'Allow-Ping').enabled, rule.enabled, 'nothing has changed yet');
		await luci.applied(() => page.locator('.modal').getByRole('button', { name: 'Save & Apply' }).click());
		await luci.until('the rule is off', async () => (await sections('firewall', 'rule')).find(r => r.name == 'Allow-Ping').enabled == '0');
		await luci.go('stealth');
		assert.equal(await page.locator('[data-id="ping-' + rule['.name'] + '"]').count(), 0);
		await restore(rule);
	});

	// Puts a firewall rule back in the way LuCI's own pages change things.
	async function restore(rule) {
		await luci.applied(() => page.evaluate(async ([ name, enabled ]) => {
			const [ uci, ui ] = await Promise.all([ L.require('uci'), L.require('ui') ]);

			await uci.load('firewall');
			if (enabled == null)
				uci.unset('firewall', name, 'enabled');
			else
				uci.set('firewall', name, 'enabled', enabled);
			await uci.save();
			ui.changes.apply(true);
		}, [ rule['.name'], rule.enabled ?? null ]));
		await luci.until('the rule is back', async () => (await sections('firewall', 'rule')).find(r => r.name == 'Allow-Ping').enabled == rule.enabled);
	}

	test('an account that may only look sees states, no keys and no buttons', async t => {
		let viewer;

		try {
			viewer = await LuCI.login(browser, s, s.viewer.name, s.viewer.password);
		}
		catch (err) {
			return t.skip('SKIP: ' + err.message + '; make a read-only account in /etc/config/rpcd and set LUCI_VIEWER=name:password');
		}
		for (const tab of TABS) {
			await viewer.go(tab);
			assert.equal(await viewer.page.locator('#view button:visible:not([disabled]):not([data-span], [data-key=more])').count(), 0, 'buttons on ' + tab);
			assert.ok(!(await viewer.page.content()).includes(key), 'the key stands on ' + tab);
		}
		await viewer.go('overview');
		await viewer.page.getByRole('article', { name: (await doorState()).title }).waitFor();
		assert.equal((await viewer.ubus('latchkey', 'status')).code, 0);
		assert.equal((await viewer.ubus('latchkey', 'events', { since: 0 })).code, 0);
		for (const [ object, method, args ] of [ [ 'latchkey', 'open', { door, address: ADDRESS, for: '' } ], [ 'latchkey', 'link', { client: client['.name'], page: '' } ],
			[ 'uci', 'get', { config: 'latchkey' } ] ])
			assert.notEqual((await viewer.ubus(object, method, args)).code, 0, object + ' ' + method + ' must be refused');
		assert.deepEqual(viewer.wrong, []);
		await viewer.close();
	});

	// German words are long; a router without the translation shows the English ones.
	for (const locale of [ 'en', 'de' ])
		test('every page is accessible and fits a phone: ' + locale, async () => {
			const phone = await LuCI.login(browser, s, 'root', s.password, 'phone', locale);

			for (const tab of TABS) {
				await phone.go(tab);
				assert.deepEqual(await phone.accessibility(), [], tab);
				assert.ok(await overflow(phone.page) <= 0, tab + ' is wider than the screen by ' + await overflow(phone.page) + ' px');
			}
			assert.deepEqual(phone.wrong, []);
			await phone.close();
		});

	test('door and client are deleted from the page', async () => {
		for (const [ tab, name ] of [ [ 'doors', door ], [ 'clients', client['.name'] ] ]) {
			await luci.go(tab);
			await page.locator('[data-section-id="' + name + '"], #cbi-latchkey-' + name).getByRole('button', { name: 'Delete' }).click();
			await luci.saveAndApply();
			await luci.until(name + ' is gone', async () => !(await sections('latchkey', tab.slice(0, -1))).some(x => x['.name'] == name));
		}
		await luci.until('the daemon forgot the door', async () => !(await doorState()));
	});

	test('the pages made no error and asked no other host', () => {
		assert.deepEqual(luci.wrong, []);
	});
});
