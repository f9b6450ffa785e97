// SPDX-License-Identifier: Apache-2.0

// A real router's LuCI in a browser: logging in, going to our pages, talking to ubus as the page does.

import assert from 'node:assert/strict';
import { SIZES, accessibility } from '../lib/browser.mjs';

// What LuCI does by itself, whoever asks: on its login page, and for what a router does not have on
// its status page. Failed requests are looked at by their address instead.
const NOISE = [ /Failed to load resource/, /uci\/get failed with error -32002/ ];

const NAVIGATION = 90000; // milliseconds; small routers are slow

export function settings(env) {
	const missing = [ 'LUCI_URL', 'LUCI_PASSWORD' ].filter(k => !env[k]);

	if (missing.length)
		throw new Error('set ' + missing.join(' and ') + ' to run this against a router that has the package installed, such as ' +
			'LUCI_URL=http://192.168.1.1 LUCI_PASSWORD=secret npm run e2e');

	const url = new URL(env.LUCI_URL);
	const [ name, ...secret ] = (env.LUCI_VIEWER || 'viewer:viewer').split(':');

	return { origin: url.origin, root: url.origin + '/cgi-bin/luci/', password: env.LUCI_PASSWORD, viewer: { name, password: secret.join(':') } };
}

export class LuCI {
	// Opens LuCI in a browser of its own and logs in; throws if the router does not take the password.
	static async login(browser, s, user, password, size = 'desktop', locale = 'en') {
		const luci = new LuCI();

		luci.s = s;
		luci.wrong = [];
		luci.context = await browser.newContext({ viewport: SIZES[size], screen: SIZES[size], locale });
		luci.page = await luci.context.newPage();
		luci.page.setDefaultNavigationTimeout(NAVIGATION);
		luci.page.on('pageerror', e => luci.note('error in the page: ' + e.message));
		luci.page.on('console', m => m.type() == 'error' && luci.note('console: ' + m.text()));
		luci.page.on('request', r => {
			if (!r.url().startsWith(s.origin) && !/^(data|blob):/.test(r.url()))
				luci.note('request to another host: ' + r.url());
		});
		luci.page.on('response', r => r.status() >= 400 && /latchkey/.test(r.url()) && luci.note(r.status() + ' for ' + r.url()));
		await luci.page.goto(s.root).catch(e => { throw new Error('no LuCI at ' + s.root + ': ' + e.message); });
		await luci.page.locator('[name=luci_username]').fill(user);
		await luci.page.locator('[name=luci_password]').fill(password);
		await luci.page.locator('[name=luci_password]').press('Enter');
		await luci.page.waitForLoadState('networkidle');
		if (await luci.page.locator('[name=luci_password]').count()) {
			await luci.close();
			throw new Error('the router does not let ' + user + ' in with this password');
		}

		return luci;
	}

	note(text) {
		if (!NOISE.some(n => n.test(text)))
			this.wrong.push(text);
	}

	// Lets requests that are under way end. The router runs only a few scripts at once, and those of
	// pages that are loaded at the same time can wait for each other for half a minute.
	async settle() {
		await this.page.evaluate(() => globalThis.L?.Poll?.stop?.()).catch(() => {});
		await this.page.waitForLoadState('networkidle');
	}

	// One of our tabs, or a path below /admin/.
	async go(path) {
		await this.settle();
		await this.page.goto(this.s.root + 'admin/' + (path.includes('/') ? path : 'services/latchkey/' + path));
		await this.page.locator('#view .spinning').waitFor({ state: 'detached' });
		await this.page.locator('#view h2, #view h3').first().waitFor();
	}

	// A ubus call as this account: { code, data }.
	ubus(object, method, args) {
		return this.page.evaluate(async ([ o, m, a ]) => {
			const r = await fetch(L.url('admin/ubus').replace(/\/cgi-bin.*/, '') + (L.env.ubuspath || '/ubus/'), { method: 'POST',
				headers: { 'Content-Type': 'application/json' },
				body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'call', params: [ L.env.sessionid, o, m, a ] }) });
			const answer = await r.json();

			return answer.error ? { code: answer.error.code } : { code: answer.result[0], data: answer.result[1] };
		}, [ object, method, args || {} ]);
	}

	// Waits until read() resolves to something true.
	async until(what, read, seconds = 40) {
		const end = Date.now() + seconds * 1000;

		for (;;) {
			const value = await read().catch(() => null);

			if (value)
				return value;
			if (Date.now() > end)
				assert.fail('not within ' + seconds + ' s: ' + what);
			await new Promise(resolve => setTimeout(resolve, 500));
		}
	}

	// Presses what saves and applies, and waits for LuCI's overlay and the reload of the page at its end.
	async applied(press) {
		const loaded = this.page.waitForEvent('load', { timeout: NAVIGATION });

		await press();
		await this.page.getByText('Configuration changes applied').waitFor({ timeout: NAVIGATION });
		await loaded;
		await this.page.waitForLoadState('networkidle');
	}

	// "Save & Apply" of a form. If the daemon has something to say of other sections, it is applied anyway.
	async saveAndApply() {
		const anyway = this.page.locator('.modal').getByRole('button', { name: 'Apply', exact: true });
		const overlay = this.page.locator('#modal_overlay').getByText(/Starting configuration apply|Waiting for configuration|Configuration changes applied/);

		await this.applied(async () => {
			await this.page.locator('.cbi-page-actions').getByText('Save & Apply').first().click();
			await anyway.or(overlay).first().waitFor({ timeout: NAVIGATION });
			if (await anyway.isVisible())
				await anyway.click();
		});
	}

	accessibility() {
		return accessibility(this.page, '.lk');
	}

	async close() {
		await this.settle();
		await this.context.close();
	}
}
