// Command cluster holds what a Kubernetes for tests is made of, so that one build gives all of it:
//
//	cluster control-plane DIR [flags of kube-apiserver]
//	cluster kube-controller-manager|kube-scheduler|kubelet|kube-proxy [flags]
//
// The first runs etcd and the API server as one process. Everything it needs is kept in DIR: when it
// is started there again it has the same address, the same tokens and the same objects.
package main

import (
	"context"
	"log"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("cluster: ")
	if len(os.Args) < 2 {
		log.Fatal("say which component: control-plane, kube-controller-manager, kube-scheduler, kubelet or kube-proxy")
	}
	component, flags := os.Args[1], os.Args[2:]
	if component == "control-plane" {
		if len(flags) == 0 {
			log.Fatal("say in which folder the control plane is kept")
		}
		flags = prepare(flags[0], flags[1:])
	}
	command := componentOf(component)
	command.SetArgs(flags)
	// The kubelet looks there by itself.
	os.Args = append([]string{component}, flags...)
	os.Exit(cli.Run(command))
}

func componentOf(name string) *cobra.Command {
	switch name {
	case "control-plane":
		return apiserver.NewAPIServerCommand()
	case "kube-controller-manager":
		return controllers.NewControllerManagerCommand()
	case "kube-scheduler":
		return scheduler.NewSchedulerCommand()
	case "kubelet":
		return kubelet.NewKubeletCommand(context.Background())
	case "kube-proxy":
		return proxy.NewProxyCommand()
	}
	log.Fatalf("there is no component %q", name)
	return nil
}
