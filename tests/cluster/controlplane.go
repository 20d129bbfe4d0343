package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// prepare starts etcd in this process and gives the flags that the API server is started with.
func prepare(dir string, more []string) []string {
	check(os.MkdirAll(dir, 0o700))
	in := func(name string) string { return filepath.Join(dir, name) }
	key := in("service-account.key")
	keep(key, newKey)
	token := keep(in("token"), newToken)
	port := keep(in("port"), func() string { return fmt.Sprint(freePort()) })
	keep(in("tokens.csv"), func() string { return token + ",admin,admin,system:masters\n" })
	keep(in("kubeconfig"), func() string { return kubeconfig(port, token) })
	return append([]string{
		"--etcd-servers=" + startEtcd(in("etcd")),
		"--bind-address=127.0.0.1", "--secure-port=" + port, "--advertise-address=127.0.0.1",
		"--cert-dir=" + in("pki"),
		"--token-auth-file=" + in("tokens.csv"),
		"--authorization-mode=RBAC",
		"--allow-privileged=true",
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + key,
		"--service-account-signing-key-file=" + key,
		"--service-cluster-ip-range=198.19.0.0/16",
		"--endpoint-reconciler-type=none",
	}, more...)
}

// startEtcd returns where etcd listens. Nothing is synced to the disk: a test's data may be lost
// with the machine, not with the process.
func startEtcd(dir string) string {
	config := embed.NewConfig()
	config.Dir, config.LogLevel, config.UnsafeNoFsync = dir, "error", true
	clients, peers := []url.URL{loopback()}, []url.URL{loopback()}
	config.ListenClientUrls, config.AdvertiseClientUrls = clients, clients
	config.ListenPeerUrls, config.AdvertisePeerUrls = peers, peers
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	etcd, err := embed.StartEtcd(config)
	check(err)
	select {
	case <-etcd.Server.ReadyNotify():
	case <-time.After(30 * time.Second):
		log.Fatal("etcd is not ready after 30 s")
	}
	return "http://" + etcd.Clients[0].Addr().String()
}

// keep gives what the file holds; what is made anew is written there first.
func keep(path string, make func() string) string {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = []byte(make()), nil
		check(os.WriteFile(path, text, 0o600))
	}
	check(err)
	return strings.TrimSpace(string(text))
}

func kubeconfig(port, token string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://127.0.0.1:%s", insecure-skip-tls-verify: true}}]
users: [{name: admin, user: {token: "%s"}}]
contexts: [{name: test, context: {cluster: test, user: admin}}]
current-context: test
`, port, token)
}

func newKey() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	check(err)
	block := pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	return string(pem.EncodeToMemory(&block))
}

func newToken() string {
	var bytes [16]byte
	_, err := rand.Read(bytes[:])
	check(err)
	return hex.EncodeToString(bytes[:])
}

func loopback() url.URL {
	return url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", freePort())}
}

func freePort() int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
