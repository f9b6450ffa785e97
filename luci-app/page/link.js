/* the link: SPEC.md, section 4 */
const serviceSchemes = ['ssh', 'sftp', 'http', 'https', 'rdp', 'vnc'];

/* ports to which a browser's fetch does not connect (fetch.spec.whatwg.org, "bad port") */
const badPorts = new Set(('1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 104 109 110 111 113 115 117 119 123 135 137 139 143 161 179 ' +
	'389 427 465 512 513 514 515 526 530 531 532 540 548 554 556 563 587 601 636 989 990 993 995 1719 1720 1723 2049 3659 4045 4190 5060 5061 6000 6566 ' +
	'6665 6666 6667 6668 6669 6679 6697 10080').split(' ').map(Number));

/* throws the name of a wrong part; a link of a later version says so by 'newer' */
function parseLink(text) {
	text = text.trim().replace(/^latchkey:/, '#');
	const at = text.indexOf('#'), parts = text.slice(at + 1).split('&').map(part => /^([^=]*)=([^]*)$/.exec(part));
	const of = key => parts.filter(p => p && p[1] === key).map(p => unescaped(p[2]));
	const one = key => of(key).length > 1 ? unfit : of(key)[0] || '', none = key => !of(key).length, port = (key, most) => none(key) || isPort(one(key), most);
	if (/^[1-9]\d{0,8}$/.test(one('v')) && +one('v') > 1) throw Error('newer');
	const names = one('d').split(','), l = {n: one('n'), h: one('h'), a: of('a'), u: none('us') ? of('u') : [...of('u'), ...one('us').split(',')], p: +one('p'), k: []};
	if (/^[\w+/-]{43}=*$/.test(one('k'))) l.k = unbase64(one('k').slice(0, 43));
	const right = {
		'#': at >= 0 && ascii(text).length <= 4096 && (!at || isPage(text.slice(0, at))) && parts.every(p => p && !/%(?![\da-f]{2})/i.test(p[2])),
		v: one('v') === '1',
		n: l.n && isText(l.n, 64),
		h: none('h') ? l.a.length : /^\w[\w.-]{0,252}$/.test(l.h),
		a: l.a.length <= 8 && l.a.every(isAddress),
		u: port('u', 65535) && (l.u[0] || l.p),
		us: none('us') || !none('u') && l.u.every(u => isPort(u, 65535)) && l.u.length < 5 && new Set(l.u).size === l.u.length,
		p: port('p', 59392),
		k: l.k.some(b => b),
		d: names.length < 65 && names.every(d => /^\w{1,64}$/.test(d)),
	};
	for (const k in right) if (!right[k]) throw Error(k);
	l.u = l.u.map(Number);
	l.doors = names.map(name => ({name, ...factsOf(name, of('i'), of('e')), ...timesOf(name, of('t'))}));
	return l;
}

/* what is no UTF-8, or there twice, fits nowhere */
const unfit = '\0';
const unescaped = s => { try { return decodeURIComponent(s); } catch { return unfit; } };

const isText = (s, most) => ascii(s).length <= most && !/\p{Cc}/u.test(s);
const isPort = (s, most) => /^[1-9]\d{0,4}$/.test(s) && +s <= most;
const isPage = s => /^https?:\/\/[^/?]/i.test(s) && /^[\p{L}\p{M}\p{N}\p{P}\p{S}]*$/u.test(s) && !/["#<>\\^`{|}]/.test(s) && ascii(s).length <= 1024;

/* of one host; the browser's own parser knows all forms of IPv6 */
function isAddress(s) {
	const four = s.split('.');
	if (four.length === 4 && four.every(n => /^(0|[1-9]\d{0,2})$/.test(n) && n < 256)) return !(+four[0] >> 4 === 14 || /^[0.]+$/.test(s));
	if (!/^[\da-f:.]*:[\da-f:.]*$/i.test(s)) return false;
	try { return !/^\[(::|ff\w\w:.*|::ffff:(e\w{3}:\w+|0:0))]$/.test(new URL(`http://[${s}]`).hostname); } catch { return false; }
}

/* what item DOOR:PROTO:PORT:SERVICE:TITLE says, and of another protocol DOOR:PROTO:PORT; without one that is understood a door has its name only */
function factsOf(name, items, further) {
	for (const item of items) {
		const [, door, proto, ports, service, title] = /^(\w+):(tcp|udp|tcp\+udp):([\d+-]+):([a-z\d-]{0,32}):([^]*)$/.exec(item) || [];
		if (door !== name || !arePorts(ports) || !isText(title, 128)) continue;
		const other = proto === 'tcp' ? 'udp' : 'tcp', head = `${name}:${other}:`;
		const more = proto === 'tcp+udp' ? ports : further.filter(f => f.startsWith(head)).map(f => f.slice(head.length)).find(arePorts) || '';
		return {title: title || plain(name), port: parseInt(ports), service, [other]: more, [other === 'tcp' ? 'udp' : 'tcp']: ports};
	}
	return {title: plain(name), port: 0, service: '', tcp: '', udp: ''};
}

/* [[first, last]] of ports as a link has them */
const rangesOf = ports => ports ? ports.split('+').map(part => part.split('-')).map(([first, last = first]) => [+first, +last]) : [];

/* "443", "22, 60000-61000/udp": those of what is connected to first, at most three */
function portsText({tcp, udp, port}) {
	const first = parseInt(tcp) === port ? tcp : udp, other = first === tcp ? udp : tcp, words = first.split('+');
	if (other && other !== first) words.push(...other.split('+').map(part => `${part}/${first === tcp ? 'udp' : 'tcp'}`));
	return words.slice(0, 3).join(', ') + (words.length > 3 ? ', …' : '');
}

/* N or N-M, joined by +, up to 32 */
const arePorts = text => text.split('+').every((part, i) => {
	const [, first, last = first] = /^([1-9]\d{0,4})(?:-([1-9]\d{0,4}))?$/.exec(part) || [];
	return i < 32 && +first <= +last && last < 65536;
});

/* DOOR:OPEN_FOR:MAX_OPEN in seconds; 0 = not told */
function timesOf(name, items) {
	for (const item of items) {
		const [, door, usual, most] = /^(\w+):([1-9]\d{0,8}):([1-9]\d{0,8})$/.exec(item) || [];
		if (door === name && +usual <= +most) return {usual: +usual, most: +most};
	}
	return {usual: 0, most: 0};
}

const plain = name => name.replace(/_/g, ' ');

/* for how many seconds a door opens if so many minutes are wished (0 = as usual); 0 = the link does not tell */
const secondsOf = (door, minutes) => minutes && door.usual ? Math.min(60 * minutes, door.most) : door.usual;

const inURL = host => host.includes(':') ? `[${host}]` : host;

/* where a door is tried: the name, an address of each family, and further ones; at most 4 */
function hostsOf(l) {
	const six = l.a.find(a => /:/.test(a)), four = l.a.find(a => !/:/.test(a));
	return [...new Set([l.h, four, six, ...l.a])].filter(h => h).slice(0, 4);
}

/* the first port at which a browser can try a door; 0 = none */
function tryPort(door) {
	for (const [first, last] of rangesOf(door.tcp))
		for (let port = first; port <= last; port++) if (!badPorts.has(port)) return port;
	return 0;
}

/* a port of the router at which nothing should answer: the one above those of knocks, unless it is a door's */
function otherPort(l) {
	const taken = l.doors.flatMap(d => rangesOf(d.tcp)), isFree = port => !badPorts.has(port) && !taken.some(([first, last]) => first <= port && port <= last);
	const from = first => Array.from({length: 65536 - first}, (_, i) => first + i);
	return [...from(l.p ? l.p + 6144 : l.u[0] + 1), ...from(10240)].find(isFree) || 65535;
}

/* where a door's service is: host:port, and a URL if there is a scheme for it */
function targetOf(l, door, answered) {
	if (!door.port) return {};
	const place = `${inURL(l.h || answered || l.a[0])}:${door.port}`;
	return {place, url: serviceSchemes.includes(door.service) ? `${door.service}://${place}` : ''};
}

/* only who knows a key may change what is known with it: a name and an address anybody can write into a link */
const sameKey = (l, m) => l.k.join() === m.k.join();
