// SPDX-License-Identifier: Apache-2.0

package radar

// services are what strangers on the Internet ask for most, of UDP with 1 << 16 in their number. The names are
// those of IANA's registry, or of the one program that everybody means by the port.
var services = [...]struct {
	place uint32
	name  string
}{
	{21, "ftp"}, {22, "ssh"}, {23, "telnet"}, {25, "smtp"}, {53, "domain"}, {80, "http"}, {81, "http"},
	{88, "kerberos"}, {110, "pop3"}, {111, "sunrpc"}, {135, "msrpc"}, {139, "netbios-ssn"}, {143, "imap"},
	{161, "snmp"}, {179, "bgp"}, {389, "ldap"}, {443, "https"}, {445, "smb"}, {465, "smtps"}, {502, "modbus"},
	{515, "printer"}, {548, "afp"}, {554, "rtsp"}, {587, "submission"}, {631, "ipp"}, {636, "ldaps"},
	{853, "dns-tls"}, {873, "rsync"}, {993, "imaps"}, {995, "pop3s"}, {1080, "socks"}, {1194, "openvpn"},
	{1433, "mssql"}, {1521, "oracle"}, {1723, "pptp"}, {1883, "mqtt"}, {2049, "nfs"}, {2082, "cpanel"},
	{2222, "ssh"}, {2323, "telnet"}, {2375, "docker"}, {2376, "docker-tls"}, {3000, "http"}, {3128, "squid"},
	{3306, "mysql"}, {3389, "rdp"}, {4444, "metasploit"}, {4899, "radmin"}, {5000, "upnp"}, {5038, "asterisk"},
	{5060, "sip"}, {5061, "sips"}, {5432, "postgresql"}, {5555, "adb"}, {5672, "amqp"}, {5900, "vnc"},
	{5901, "vnc"}, {5984, "couchdb"}, {5985, "winrm"}, {6379, "redis"}, {6443, "kubernetes"}, {6667, "irc"},
	{7001, "weblogic"}, {7547, "cwmp"}, {8000, "http"}, {8008, "http"}, {8080, "http"}, {8081, "http"},
	{8088, "http"}, {8123, "home-assistant"}, {8291, "winbox"}, {8333, "bitcoin"}, {8443, "https"},
	{8545, "ethereum"}, {8728, "routeros"}, {8883, "mqtts"}, {8888, "http"}, {9000, "http"}, {9090, "http"},
	{9100, "jetdirect"}, {9200, "elasticsearch"}, {10000, "webmin"}, {10250, "kubelet"}, {11211, "memcached"},
	{25565, "minecraft"}, {27017, "mongodb"}, {32400, "plex"}, {37215, "huawei-upnp"}, {52869, "realtek-upnp"},
	{1<<16 | 19, "chargen"}, {1<<16 | 53, "domain"}, {1<<16 | 69, "tftp"}, {1<<16 | 111, "sunrpc"},
	{1<<16 | 123, "ntp"}, {1<<16 | 137, "netbios-ns"}, {1<<16 | 161, "snmp"}, {1<<16 | 389, "cldap"},
	{1<<16 | 427, "slp"}, {1<<16 | 443, "quic"}, {1<<16 | 500, "isakmp"}, {1<<16 | 520, "rip"},
	{1<<16 | 623, "ipmi"}, {1<<16 | 1194, "openvpn"}, {1<<16 | 1434, "mssql"}, {1<<16 | 1701, "l2tp"},
	{1<<16 | 1900, "ssdp"}, {1<<16 | 3283, "apple-remote"}, {1<<16 | 3478, "stun"}, {1<<16 | 3702, "ws-discovery"},
	{1<<16 | 4500, "ipsec"}, {1<<16 | 5060, "sip"}, {1<<16 | 5353, "mdns"}, {1<<16 | 5683, "coap"},
	{1<<16 | 6881, "bittorrent"}, {1<<16 | 10001, "ubiquiti"}, {1<<16 | 11211, "memcached"},
	{1<<16 | 27015, "steam"},
}
