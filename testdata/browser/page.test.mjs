// SPDX-License-Identifier: Apache-2.0

// The page in real browsers, from a file and from http:. What leaves the machine is tested with the real daemon
// (cmd/latchkeyd); here the router is this machine's loopback address.

import test from 'node:test';
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { open, programs, until } from './browser.mjs';
import { pageFile, pageURL, press, visit } from './page.mjs';

const link = '#v=1&n=Mum%20%26%20%22Dad%22%20%3Cb%3E&a=127.0.0.1&a=::1&u=41641&p=20480&k=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8&d=nas_ssh,router_web';
const title = 'Mum & "Dad" <b>';
const text = selector => `document.querySelector('${selector}').textContent`;
const stamp = 'localStorage[Object.keys(localStorage).find(k => k.startsWith("latchkey last "))]';
const used = `[].concat(JSON.parse(${stamp} || '0'))`;
const hidden = id => `document.getElementById('${id}').hidden`;

/** Serves the page, and tells what was asked for. */
async function serve() {
	const asked = [];
	const server = createServer((request, response) => {
		asked.push(request.url);
		response.setHeader('Content-Type', 'text/html; charset=utf-8');
		response.end(readFileSync(pageFile));
	});
	await new Promise(done => server.listen(0, '127.0.0.1', done));
	return { asked, url: `http://127.0.0.1:${server.address().port}/latchkey/`, close: () => server.close() };
}

for (const name of ['chromium', 'firefox']) {
	const skip = programs[name]() ? false : `SKIP: ${name} is not installed`;
	test(name, { skip }, async t => {
		const browser = await open(name);
		const server = await serve();
		t.after(async () => {
			server.close();
			await browser.close();
		});

		for (const [kind, url] of [['file', pageURL], ['http', server.url]]) await t.test(`a page from ${kind}:`, async t => {
			await t.test('says what is missing', async () => {
				await browser.goto(url);
				assert.match(await browser.run(text('#lead')), /No settings yet/);
				assert.equal(await browser.run(hidden('setup')), false);
				assert.equal(await browser.run(hidden('foot')), true);
			});
			await t.test('says that a link is damaged', async () => {
				await visit(browser, url, link.slice(0, 100));
				assert.match(await browser.run(text('.note')), /damaged/);
			});
			await t.test('takes a link that is pasted', async () => {
				await browser.goto(url);
				await browser.run(`(document.getElementById('paste').value = ${JSON.stringify('https://elsewhere/' + link)}, setTimeout(() => document.querySelector('#setup button').click()), 0)`);
				await until('the doors', () => browser.run('document.readyState === "complete" && document.querySelectorAll(".door").length === 2'));
			});
			await t.test('shows the doors, as text', async () => {
				await visit(browser, url, link);
				assert.equal(await browser.run(text('h1')), title);
				assert.equal(await browser.run('document.title'), title);
				assert.deepEqual(await browser.run('[...document.querySelectorAll(".door b")].map(b => b.textContent)'), ['nas ssh', 'router web']);
				const notes = await browser.run('[...document.querySelectorAll(".note")].map(n => n.textContent)');
				assert.match(notes.join(), kind === 'http' ? /^Save now: only this tab/ : /^$/);
			});
			await t.test('keeps the link, out of the address bar', async () => {
				assert.doesNotMatch(await browser.run('location.href'), /#/);
				await browser.goto(url);
				assert.equal(await browser.run(text('h1')), title);
			});
			await t.test('leaves no key where another network could read it', async () => {
				assert.equal(await browser.run('/k=AAEC/.test(JSON.stringify(localStorage))'), kind === 'file');
			});
			await t.test('locks its doors for the time of a knock, and offers to go on', async () => {
				const start = Date.now();
				const last = await browser.run(`Math.max(...${used})`);
				await press(browser, 'nas_ssh');
				assert.ok(Date.now() - start >= 2900, 'the doors were locked for less than 3 s');
				assert.equal(await browser.run(hidden('after')), false);
				assert.equal(await browser.run('document.getElementById("go").href'), 'ssh://127.0.0.1');
				assert.ok(await browser.run(`Math.max(...${used}) > Math.max(${last}, ${start - 1})`), 'the last stamp was not kept');
			});
			await t.test('keeps where to go, but no script', async () => {
				const type = value => browser.run(`(document.getElementById('url').value = '${value}', document.getElementById('url').oninput(true))`);
				await type('javascript://%0aalert(1)');
				assert.equal(await browser.run(hidden('go')), true);
				await type('ssh://me@nas.example.net');
				assert.equal(await browser.run(hidden('go')), false);
				await browser.goto(url);
				await press(browser, 'nas_ssh');
				assert.equal(await browser.run('document.getElementById("url").value'), 'ssh://me@nas.example.net');
			});
			await t.test('goes on above a stamp from the future, and takes the present, too', async () => {
				const future = Date.now() + 3_600_000;
				await browser.run(`${stamp} = ${future}`);
				await browser.goto(url);
				assert.match(await browser.run(text('#notes')), /clock/);
				await press(browser, 'router_web');
				assert.ok(await browser.run(`Math.max(...${used}) > ${future}`));
				assert.ok(await browser.run(`${used}.some(u => Math.abs(u - Date.now()) < 30000)`), 'no stamp of the present');
				await visit(browser, url, link.replace('k=AA', 'k=BB'));
				assert.doesNotMatch(await browser.run(text('#notes')), /clock/, 'a new key is not the way out');
			});
			await t.test('forgets', async () => {
				const forget = 'document.getElementById("forget").click()';
				await browser.run(forget);
				assert.match(await browser.run(text('#forget')), /\?$/);
				await browser.run(forget);
				await until('an empty page', () => browser.run(`document.readyState === "complete" && !${hidden('setup')}`));
				await browser.run('(localStorage.clear(), sessionStorage.clear())');
			});
		});

		await t.test('a saved copy has the settings inside, and works', async () => {
			await visit(browser, server.url, link);
			await browser.run('document.getElementById("save").click()');
			const file = join(browser.downloads, 'latchkey-Mum_Dad_b_.html');
			const saved = await until('the download', () => existsSync(file) && readFileSync(file, 'utf8'));
			const script = page => page.match(/<script>(.*)<\/script>/s)[1];
			assert.equal(script(saved), script(readFileSync(pageFile, 'utf8')));
			assert.doesNotMatch(saved.replace(/<meta name="latchkey"[^>]*>/, ''), /Mum|&amp;a=|nas_ssh/);
			await browser.run('localStorage.clear()');
			await browser.goto(pathToFileURL(file).href);
			assert.equal(await browser.run(text('h1')), title);
			assert.equal(await browser.run(hidden('forget')), true);
			await press(browser, 'nas_ssh');
		});

		await t.test('the fragment is sent to nobody, and nothing else is loaded', () => {
			assert.deepEqual([...new Set(server.asked)], ['/latchkey/']);
		});

		await t.test('no foreign script or style runs', async () => {
			await visit(browser, server.url, link);
			assert.equal(await browser.run(`(() => {
				const s = document.createElement('script');
				s.textContent = 'window.foreign = true';
				document.body.append(s);
				return window.foreign === undefined;
			})()`), true);
		});
	});
}
