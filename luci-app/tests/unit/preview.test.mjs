// SPDX-License-Identifier: Apache-2.0

import test from 'node:test';
import assert from 'node:assert/strict';
import { serve, addresses } from '../tools/preview.mjs';

test('the preview serves every page that it lists, ubus and files, and nothing else', async () => {
	const server = await serve(0);
	const at = 'http://127.0.0.1:' + server.address().port;
	const get = async path => { const r = await fetch(at + path); return [ r.status, await r.text() ]; };

	try {
		for (const options of [ '', '&lang=de&dark=1', '&lang=zh_Hans' ])
			for (const [ path ] of Object.values(addresses(options)).flat()) {
				const [ status, text ] = await get(path);

				assert.equal(status, 200, path);
				assert.match(text, /<\/html>\s*$/, path);
			}
		assert.match((await get('/'))[1], /\/view\/overview\?router=busy/);
		assert.match((await get('/luci-static/resources/latchkey/timeline.js'))[1], /function layout/);
		assert.match((await get('/view/overview?router=quiet&lang=de'))[1], /Türen, die sich nur/);

		const ask = router => fetch(at + '/ubus', { method: 'POST', headers: { Referer: at + '/view/overview?router=' + router },
			body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'call', params: [ '0', 'latchkey', 'status', {} ] }) }).then(r => r.json());

		assert.equal((await ask('hung')).result[1].error, 'latchkeyd did not answer');
		assert.equal((await ask('quiet')).result[1].running, true);
		assert.equal((await ask('constructor')).result[1].running, true);
		for (const path of [ '/view/nothing', '/scene/NOW', '/../package.json', '/%2e%2e/Makefile', '/luci-static', '/latchkey/%2e%2e/%2e%2e/Makefile' ])
			assert.equal((await get(path))[0], 404, path);
	}
	finally {
		server.close();
		server.closeAllConnections();
	}
});
