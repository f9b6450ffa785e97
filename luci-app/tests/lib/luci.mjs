// SPDX-License-Identifier: Apache-2.0

// Our views in Chromium as a LuCI page shows them, with a router made of answers: on the stand-in
// luci.js, or on LuCI's own files where LUCI_RESOURCES names the folder that has luci.js.

import { readFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { app } from './modules.mjs';
import { SIZES, PATIENCE } from './browser.mjs';
import { viewPage, reply, REAL } from './pages.mjs';

export { REAL };

const ORIGIN = 'http://router.test';
const OURS = join(app, 'htdocs');

// Opens a view. answer(object, method, args) returns what ubus says, { code } for an ubus error or
// { error } for one of JSON-RPC.
export async function openView(browser, view, { answer, writer = true, size = 'desktop', dark = false, language }) {
	const context = await browser.newContext({ viewport: SIZES[size], colorScheme: dark ? 'dark' : 'light', timezoneId: 'UTC', locale: (language || 'en').replace('_', '-') });
	const page = await context.newPage();
	const wrong = [];

	page.setDefaultTimeout(PATIENCE);
	page.on('pageerror', e => wrong.push('error in the page: ' + e.message));
	page.on('dialog', d => { wrong.push('dialog: ' + d.message()); d.dismiss(); });
	await context.route('**/*', route => {
		const path = new URL(route.request().url()).pathname;

		if (path == '/')
			return route.fulfill({ contentType: 'text/html; charset=utf-8', body: viewPage(view, { writer, dark, language }) });
		if (/\/ubus\/?$/.test(path))
			return route.fulfill({ contentType: 'application/json', body: JSON.stringify(reply(JSON.parse(route.request().postData()), answer)) });

		const found = [ join(OURS, path), REAL && join(REAL, path.replace('/luci-static/resources/', '')) ].find(f => f && existsSync(f));

		if (found && path != '/evil')
			return route.fulfill({ contentType: path.endsWith('.css') ? 'text/css' : 'text/javascript', body: readFileSync(found) });
		if (/evil/.test(path))
			wrong.push('a text asked for ' + path);

		return route.fulfill({ status: 404, body: '' });
	});
	await page.goto(ORIGIN + '/');
	await page.locator(view.startsWith('view.status') ? '#view .lk' : '#view h2, .alert-message, #view .lk-error').first().waitFor();

	return { page, wrong, close: () => context.close() };
}
